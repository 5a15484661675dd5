/**
 * The part of the engine that commands need to find out that a pipeline is up to date. `engine.ts` has this and
 * everything else, and loads the kinds, their schemas and the tensor code for it, which takes longer than looking at a
 * thousand cached stages.
 *
 * @module
 */

export { type Diagnostic, errorOf, type Result } from "../../engine/diagnostic/diagnostic.ts";
export { didYouMean, suggestName } from "../../std/did_you_mean.ts";
export { diagnosticToJson, formatDiagnostic, printable, shellWord } from "../../engine/diagnostic/format.ts";
export type { Emit, EngineEvent, RunFinished, StageFinished } from "../../engine/run/events.ts";
export { findSharedOutputs, findStaleOutputs } from "../../engine/run/stale_outputs.ts";
export { checkUpToDate, finishUpToDate, planUpToDate, recordUpToDate } from "../../engine/run/up_to_date.ts";
export { capacityOf } from "../../engine/run/slots.ts";
export { leavesIn } from "../../engine/pipeline/leaves.ts";
export { getPath } from "../../engine/pipeline/source/tree.ts";
export { type Pipeline, selectStages } from "../../engine/pipeline/pipeline.ts";
export { importLate } from "../../std/import_late.ts";
export type { BuiltinKinds } from "../../engine/pipeline/load/kinds.ts";
export { PipelineLoader } from "../../engine/pipeline/load/pipeline_loader.ts";
export { searchesIn } from "../../engine/plan/searches.ts";
export { mayRun, type Plan, type PlannedAction, type Reason } from "../../engine/plan/plan.ts";
export { formatMemory } from "../../engine/process/runtime.ts";
export * from "../../engine/plan/forecast.ts";
export { actionsOf } from "../../engine/keys/action.ts";
export { digestExternals } from "../../engine/keys/externals.ts";
export { grantedFiles, type Stage } from "../../engine/keys/stage.ts";
export { Planner, type PlanOptions } from "../../engine/plan/planner.ts";
export { findProgram } from "../../engine/process/programs.ts";
export { tryDevice } from "../../engine/process/device_trial.ts";
export * from "../../engine/run/rights.ts";
export { etaOf, type LiveStage, RunReader } from "../../engine/live/run_reader.ts";
export { writeAtomically } from "../../engine/store/files.ts";
export { hashing, readTail, readTextIfThere, realPath, sha256Of } from "../../engine/store/reading.ts";
export { readRecord, writePrivately } from "../../engine/store/records.ts";
export { explainIoError } from "../../engine/store/io_errors.ts";
export { commandFor } from "../../engine/pipeline/command_for.ts";
export { findStoreRoot, nearestConfig, openStore, type Store } from "../../engine/store/store.ts";
export { isRunning } from "../../engine/store/run_ids.ts";
