/**
 * The entry of a stage's own process. The engine generates a few lines that import one stage and hand it over;
 * this module is their way back into the engine.
 */
import { serveStage as serve } from "../engine/process/worker_host.ts";
import { holdToTypes } from "../artifacts/check.ts";
import { explainMemory } from "./shared/out_of_memory.ts";

export { describePipeline, describeStage } from "../engine/process/describe_host.ts";

export const serveStage: typeof serve = (load) =>
  serve(async () => {
    const stage = (await load()).default as Parameters<typeof holdToTypes>[0];
    return { default: explainMemory(holdToTypes(stage)) };
  });
