/**
 * The entry of a stage's own process. The engine generates a few lines that import one stage and hand it over;
 * this module is their way back into the engine.
 */
export { serveStage } from "../engine/process/worker_host.ts";
export { describeStage } from "../engine/process/describe_host.ts";
export { describePipeline } from "../engine/process/pipeline_host.ts";
