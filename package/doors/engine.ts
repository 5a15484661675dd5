/**
 * The engine with the built-in kinds, and everything else that commands need beyond `core.ts`. It changes whenever the
 * commands do, and so is no entry point of the package.
 *
 * @example Plan a pipeline
 * ```ts
 * import { BUILTIN_KINDS, findStoreRoot, loadPipeline, openStore, Planner } from "noiseline/engine";
 *
 * const loaded = await loadPipeline("pipelines/smoke.yaml", { kinds: BUILTIN_KINDS });
 * if (!loaded.ok) throw new Error(loaded.diagnostics.map(({ message }) => message).join("\n"));
 * const planner = Planner.make(loaded.value, openStore(findStoreRoot(loaded.value.folder)));
 * if (!planner.ok) throw new Error(planner.diagnostics.map(({ message }) => message).join("\n"));
 * for (const [id, { state }] of (await planner.value.plan()).stages) console.log(id, state);
 * ```
 *
 * @module
 */

export { GUEST_KINDS } from "../../schemas/log.ts";
export * from "./core.ts";
export * from "../../mod.ts";
export { describeParams } from "../../schemas/describe_params.ts";
export { pipelineFileSchema } from "../../schemas/pipeline_file.ts";
export type {
  Difference,
  Ingredients,
  Keep,
  LiveProgress,
  ResultManifest,
  RunRecord,
  TagRecord,
} from "../../schemas/records.ts";
export type { StageDevice } from "../../schemas/device.ts";
export { type BuiltinKind, defineKind, LOST_FILE, type RunOf } from "../../engine/contract/stage.ts";
export { BUILTIN_KINDS } from "../../stages/mod.ts";
export { openSharedCache } from "../../engine/store/cache/open_cache.ts";
export type { SharedCache } from "../../engine/store/cache/shared_cache.ts";
export { countEnds, runPipeline, type RunSummary } from "../../engine/run/run_pipeline.ts";
export { type Action, waitsOf } from "../../engine/keys/action.ts";
export { type Kind, predecessorsOf } from "../../engine/keys/stage.ts";
export { fromFile, userFile } from "../../engine/pipeline/load/kinds.ts";
export { loadPipeline } from "../../engine/pipeline/load/load_pipeline.ts";
export { parseStageId } from "../../engine/pipeline/compose/reference.ts";
export * from "../../engine/plan/explain.ts";
export { planRecordOf } from "../../engine/plan/plan_record.ts";
export { type Dependents, findDependents, findPending } from "../../engine/plan/plan.ts";
export { describeFile } from "../../engine/process/describe.ts";
export { installFiles } from "../../engine/process/install.ts";
export { parentDeathGuard } from "../../engine/process/runtime.ts";
export * from "../../engine/live/run_reader.ts";
export { readIfThere, statIfThere } from "../../engine/store/reading.ts";
export type { StageEndState } from "../../engine/run/events.ts";
export { openStoredArtifact } from "../../engine/process/context.ts";
export { runTrial } from "../../engine/process/device_trial.ts";
export { inceptionName } from "../../stages/shared/inception.ts";
export { examineDevices, trialOf } from "../../stages/shared/device_trial.ts";
export { chooseDevice } from "../../science/tensor/implementations.ts";
