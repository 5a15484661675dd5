/** Upkeep of a store. Kept apart from the top-level `mod.ts`, since only a few commands need it. */
export { contentsOfPlan, contentsOfRun, recordsOfPlan } from "./contents.ts";
export { collectGarbage, type GcReport } from "./gc.ts";
export { keepResults, undoKeeps } from "./keep.ts";
export { exportResults, importResults } from "./move_results.ts";
export { type Replay, replayStage } from "./replay.ts";
export { type Fault, verifyStore } from "./verify.ts";
export { TAG_NAME } from "../store/store.ts";
