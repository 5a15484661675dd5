import { stringifyJsonl } from "../../formats/jsonl.ts";
import type { Bucket } from "../shared/timestep_buckets.ts";

/** Lines of `log.jsonl`, each with its line end. */
export type TrainLog = readonly string[];

export interface TrainLogEntry {
  /** Number of the update, from 1. */
  readonly step: number;
  /** Mean of the training loss over the step's own batch, before the update; not smoothed. */
  readonly loss: number;
  /** Global norm of the gradient before clipping. */
  readonly gradNorm: number;
  readonly learningRate: number;
  /** Where it is asked for: mean loss of the images in each bucket of timesteps, null for one that got none. */
  readonly lossByTimestep?: readonly (number | null)[];
}

/**
 * Whether a step is logged: all up to 1,000, every 10th up to 10,000, every 100th after that. It depends on the step
 * alone, so that the log of a longer run begins with the log of a shorter one.
 */
export function isLogged(step: number): boolean {
  if (step <= 1_000) return true;
  return step % (step <= 10_000 ? 10 : 100) === 0;
}

export function logLine({ step, loss, gradNorm, learningRate, lossByTimestep }: TrainLogEntry): string {
  const entry = { step, loss, gradNorm, learningRate };
  return stringifyJsonl([lossByTimestep === undefined ? entry : { ...entry, lossByTimestep }]);
}

/** Mean loss of the images of one batch in each bucket of timesteps. @param t [B] @param losses [B] */
export function lossByBucket(
  { t, losses }: { readonly t: Int32Array; readonly losses: Float32Array },
  buckets: readonly Bucket[],
): (number | null)[] {
  return buckets.map(({ from, to }) => {
    const own = losses.filter((_, i) => t[i]! >= from && t[i]! < to);
    return own.length === 0 ? null : own.reduce((sum, loss) => sum + loss, 0) / own.length;
  });
}

/** The lines of a saved log. */
export function parseLog(text: string): string[] {
  return text.split("\n").slice(0, -1).map((line) => `${line}\n`);
}
