import { figureRowSchema } from "../../schemas/records.ts";
import { statIfThere } from "../store/reading.ts";
import { readRecordsFrom } from "../store/records.ts";
import type { RunStore } from "../store/runs.ts";

/** The place where the files of a stage lie. */
export interface StagePlace extends Readonly<Record<"runId" | "stage", string>> {
  readonly runs: RunStore;
}

/** The most lines that one reading returns: whoever follows the file reads again. */
const MOST_ROWS = 20_000;

/** The largest file of figures that is read, in bytes. A month of sixteen figures takes half of this. */
const MAX_FIGURES_BYTES = 32 << 20;

/**
 * Reads the figures of a stage, from a byte of their file on. Steps fall where the stage was begun again.
 * @returns the rows, and the byte to continue from
 */
export function readFigures({ runs, runId, stage }: StagePlace, from?: number) {
  const path = runs.figuresPath(runId, stage);
  if ((statIfThere(path)?.size ?? 0) > MAX_FIGURES_BYTES) return { rows: [], next: from ?? 0 };
  return readRecordsFrom(path, figureRowSchema, from, MOST_ROWS);
}
