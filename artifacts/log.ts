import { stringifyJsonl } from "../formats/jsonl.ts";

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

/** One line of the log, with its line end. */
export function logLine({ step, loss, gradNorm, learningRate, lossByTimestep }: TrainLogEntry): string {
  const entry = { step, loss, gradNorm, learningRate };
  return stringifyJsonl([lossByTimestep === undefined ? entry : { ...entry, lossByTimestep }]);
}

/** The lines of a saved log. */
export function parseLog(text: string): string[] {
  return text.split("\n").slice(0, -1).map((line) => `${line}\n`);
}
