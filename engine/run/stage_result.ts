import type { StageDevice } from "../../schemas/device.ts";
import type { FigureSummary, ResultManifest } from "../../schemas/records.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { isForced, type PlannedAction } from "../plan/plan.ts";
import type { StageOutcome } from "../process/protocol.ts";
import type { StageFinished, StageProblem } from "./events.ts";

/** The result of reaching one stage. */
export interface StageResult extends Pick<StageFinished, "state" | "message" | "fix" | "mine"> {
  readonly manifest?: ResultManifest;
  readonly fromStep?: number;
  /** The device that computed the stage in this run. */
  readonly device?: StageDevice;
  /** The time of the stage's own work, without waiting for locks and slots; absent if nothing ran. */
  readonly workMs?: number;
  /** Rates by unit of progress, such as steps and images. */
  readonly perSecond?: Readonly<Record<string, number>>;
  /** Summaries of the stage's figures, such as its loss. */
  readonly figures?: Readonly<Record<string, FigureSummary>>;
}

const INTERRUPTED: StageResult = { state: "interrupted" };
/** The end of a stage that waited for a lock or for its turn when the run was stopped or another stage failed. */
export const NOT_BEGUN: StageResult = { state: "blocked" };

export function failedBy({ message, fix }: StageProblem): StageResult {
  return definedOnly({ state: "failed" as const, message, fix });
}

/** The process of an action was lost: it may be tried again. */
export interface Lost extends StageProblem {
  readonly again: "lost";
}

/**
 * Returns how a run reports the outcome of a program; undefined if the program ended well, so that its outputs count.
 * @param now `change`: what it reads that changed after planning; `isCut`: true if it was stopped for that; `keptStep`:
 * the step of the state that it can continue from, or 0
 */
export function endOf(
  outcome: StageOutcome,
  planned: PlannedAction,
  { change, isCut, keptStep }: Readonly<Record<"change", string | undefined> & { isCut: boolean; keptStep: number }>,
): StageResult | Lost | undefined {
  const fix = keptStep > 0 ? `run again, or undo the edit first to go on from step ${keptStep}` : "run again";
  if (isCut && (outcome.status === "lost" || outcome.status === "interrupted")) {
    return failedBy({ message: `${change} changed after planning; it was stopped`, fix });
  }
  switch (outcome.status) {
    case "complete":
      return change === undefined
        ? undefined
        : failedBy({ message: `${change} changed after planning; its result is discarded`, fix });
    case "lost":
      return definedOnly({ again: "lost" as const, message: outcome.message, fix: withStep(outcome.fix, keptStep) });
    default:
      return { ...toResult(outcome, planned, keptStep), ...definedOnly({ device: planned.device }) };
  }
}

/** Adds to a fix the step that the next run goes on from, if one is saved. */
function withStep(fix: string | undefined, keptStep: number): string | undefined {
  if (keptStep === 0) return fix;
  const again = fix === undefined ? "run again" : fix.endsWith("run again") ? fix : `${fix}; run again`;
  return `${again} to go on from step ${keptStep}`;
}

/** Converts the outcome of a stage's code to the result that a run reports. */
function toResult(
  outcome: Exclude<StageOutcome, { status: "complete" | "lost" }>,
  planned: PlannedAction,
  keptStep: number,
): StageResult {
  if (outcome.status === "interrupted") {
    const { kind, params } = planned.stage;
    if (isForced(planned)) return { ...INTERRUPTED, message: "a forced stage starts over" };
    const saves = kind.command === undefined || params["resumes"] === true;
    if (saves) return definedOnly({ ...INTERRUPTED, message: withStep(undefined, keptStep) });
    return { ...INTERRUPTED, message: "it starts over next time: without resumes: true a program saves nothing" };
  }
  if (outcome.status === "failed") return failedBy({ ...outcome, fix: withStep(outcome.fix, keptStep) });
  const { message } = outcome;
  if (outcome.status === "timeout") {
    return failedBy({ message, fix: withStep(`raise timeout of ${planned.stage.entry}`, keptStep) });
  }
  const shown = outcome.stack.includes(message) ? outcome.stack : `${message}\n${outcome.stack}`;
  return failedBy({ message: shown, fix: withStep(undefined, keptStep) });
}
