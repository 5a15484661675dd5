/**
 * The entry of a stage's own process. The engine generates a few lines that import one stage and pass it to this
 * module, which connects it to the engine.
 */
import { withTypeChecks } from "../artifacts/types.ts";
import { sortOf } from "../science/diffusion/define.ts";
import { describeFile as describe } from "../engine/process/describe_host.ts";
import { type LoadModule, serveStage as serve } from "../engine/process/worker_host.ts";
import { pathTimesteps } from "../stages/schedule/params.ts";
import { allParams } from "../stages/shared/common_params.ts";
import { describeDefinition as factsOf } from "../stages/shared/describe_definition.ts";
import { explainMemory } from "../stages/shared/out_of_memory.ts";

export { describePipeline } from "../engine/process/describe_host.ts";

export const describeFile = (load: LoadModule): Promise<void> =>
  describe(load, {
    sortOf,
    paramsOf: (sort, params, { device }) =>
      sort === "stage"
        ? allParams({ params, device: device === true })
        : sort === "path"
        ? params.safeExtend({ timesteps: pathTimesteps })
        : params,
    factsOf,
  });

export const serveStage: typeof serve = (load, loadOwn) =>
  serve(async () => {
    const stage = (await load()).default as Parameters<typeof withTypeChecks>[0];
    return { default: explainMemory(withTypeChecks(stage)) };
  }, loadOwn);
