/**
 * The engine with the built-in kinds, and all else that commands need beyond `core.ts`. It changes as the commands do,
 * and so is no door of the package.
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

export type { PipelineFile } from "./schemas/pipeline_file.ts";
export * from "./mod.ts";
export { type ParamRole, rolesOf } from "./schemas/roles.ts";
export { describeParams, type ParamDescription } from "./schemas/describe_params.ts";
export { pipelineJsonSchema } from "./schemas/json_schema.ts";
export type {
  ArtifactRecord,
  Difference,
  Ingredients,
  LiveProgress,
  ResultManifest,
  RunRecord,
  StageRunRecord,
  TagRecord,
} from "./schemas/records.ts";
export {
  type BuiltinKind,
  type CheckProblem,
  type CheckResult,
  defineKind,
  type DeviceFinding,
  type DeviceGrants,
  type Facts,
  type RunOf,
  type StageDevice,
} from "./contract/stage.ts";
export { BUILTIN_KINDS } from "./stages/mod.ts";
export { openSharedCache } from "./engine/store/cache/open_cache.ts";
export type { CacheMode, SharedCache } from "./engine/store/cache/shared_cache.ts";
export type { Diagnostic, Result, Span } from "./engine/diagnostic/diagnostic.ts";
export { suggestName } from "./std/did_you_mean.ts";
export { diagnosticToJson, formatDiagnostic, type MessageStyle, PLAIN_STYLE } from "./engine/diagnostic/format.ts";
export { printable } from "./engine/diagnostic/printable.ts";
export type { Emit, EngineEvent, RunFinished, RunStatus, StageEndState, StageFinished } from "./engine/run/events.ts";
export { capacityOf } from "./engine/run/slots.ts";
export { selectStages } from "./engine/pipeline/select_stages.ts";
export type { RunOptions } from "./engine/run/run_options.ts";
export { runPipeline, type RunSummary } from "./engine/run/run_pipeline.ts";
export type { Kind } from "./engine/keys/kind.ts";
export { type BuiltinKinds, describeAll as describeCustomStages, isCustom } from "./engine/pipeline/load/kinds.ts";
export { type LoadOptions, loadPipeline } from "./engine/pipeline/load/load_pipeline.ts";
export { parseStageId } from "./engine/pipeline/compose/reference.ts";
export type { Origins } from "./engine/diagnostic/document.ts";
export { type Selection, SELECTION_FILE, selectionSchema } from "./artifacts/selection.ts";
export { type Binding, predecessorsOf, type Stage } from "./engine/keys/stage.ts";
export type { Pipeline } from "./engine/pipeline/pipeline.ts";
export {
  type Cause,
  explainStages,
  type Explanation,
  type ExternalFacts,
  type ModuleChanges,
  type ResultFacts,
  type SavedProgress,
  type Upstream,
} from "./engine/plan/explain.ts";
export { findFollowers, findPending, type Followers } from "./engine/plan/followers.ts";
export { type Capacity, type Forecast, forecastPlan, type Total, totalOf } from "./engine/plan/forecast.ts";
export type { Plan, PlannedStage, PlannedState, Reason } from "./engine/plan/plan.ts";
export { Planner, type PlanOptions } from "./engine/plan/planner.ts";
export { type LongWork, lookAhead, type Outlook } from "./engine/plan/outlook.ts";
export { installFiles } from "./engine/process/install.ts";
export { parentDeathGuard } from "./engine/process/runtime.ts";
export { explainTrouble } from "./engine/store/trouble.ts";
export { isRunning, type RunState, runState } from "./engine/store/processes.ts";
export { findRuns, type LiveStage, type Runs } from "./engine/store/live_runs.ts";
export { openStoredArtifact } from "./engine/process/context.ts";
export { findStoreRoot, openStore, type Store } from "./engine/store/store.ts";
export { runTrial, tryDevice } from "./engine/process/device_trial.ts";
export { examineDevices, trialOf } from "./stages/shared/device_trial.ts";
export { chooseDevice } from "./tensor/mod.ts";
