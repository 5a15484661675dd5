import { stringifyJsonl } from "../../formats/jsonl.ts";

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
}

/**
 * Whether a step is logged: all up to 1,000, every 10th up to 10,000, every 100th after that. It depends on the step
 * alone, so that the log of a longer run begins with the log of a shorter one.
 */
export function isLogged(step: number): boolean {
  if (step <= 1_000) return true;
  return step % (step <= 10_000 ? 10 : 100) === 0;
}

export function logLine({ step, loss, gradNorm, learningRate }: TrainLogEntry): string {
  return stringifyJsonl([{ step, loss, gradNorm, learningRate }]);
}

/** The lines of a saved log. */
export function parseLog(text: string): string[] {
  return text.split("\n").slice(0, -1).map((line) => `${line}\n`);
}
