import { definedOnly } from "../../std/defined_only.ts";
import type { ResultManifest } from "../../schemas/records.ts";
import type { StageDevice } from "../../contract/stage.ts";
import type { Diagnostic } from "../diagnostic/diagnostic.ts";
import type { StageFinished } from "./events.ts";
import { isForced, type PlannedStage } from "../plan/plan.ts";
import type { StageOutcome } from "../process/protocol.ts";

/** How one stage came out. */
export interface StageResult extends Pick<StageFinished, "state" | "message" | "fix" | "mine"> {
  readonly manifest?: ResultManifest;
  readonly fromStep?: number;
  /** What it was computed on in this run. */
  readonly device?: StageDevice;
  /** Its own work, without waiting for locks and slots; absent where nothing ran. */
  readonly workMs?: number;
  /** Units of its progress, such as steps and images. */
  readonly perSecond?: Readonly<Record<string, number>>;
}

/** `gc` has the store to itself, or `verify` for a moment. */
export function waitingForStore(holder: string): string {
  return `waiting for ${holder}, which has locked the store`;
}

export const INTERRUPTED: StageResult = { state: "interrupted" };

export function failedBy({ message, fix }: Diagnostic): StageResult {
  return definedOnly({ state: "failed" as const, message, fix });
}

/**
 * What a run makes of the way in which a stage's code ended.
 * @param kept whether there are states that it goes on from
 */
export function toResult(
  outcome: Exclude<StageOutcome, { status: "complete" | "lost" }>,
  planned: PlannedStage,
  kept: boolean,
): StageResult {
  switch (outcome.status) {
    case "interrupted":
      return isForced(planned) ? { ...INTERRUPTED, message: "a forced stage starts over" } : INTERRUPTED;
    case "crashed":
      return {
        state: "failed",
        message: outcome.stack.includes(outcome.message) ? outcome.stack : `${outcome.message}\n${outcome.stack}`,
      };
    case "timeout":
      return {
        state: "failed",
        message: outcome.message,
        fix: `raise timeout of ${planned.stage.entry}${kept ? "; its progress is kept" : ""}`,
      };
    case "failed":
      return definedOnly({ state: "failed" as const, message: outcome.message, fix: outcome.fix });
  }
}
