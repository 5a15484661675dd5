import { figureRowSchema } from "../../schemas/records.ts";
import { fill, openPlain, statIfThere } from "../store/reading.ts";
import { readRecordsFrom } from "../store/records.ts";
import { unlessReadable } from "../store/trouble.ts";
import type { RunStore } from "../store/runs.ts";

/** Where the files of a stage lie. */
export interface StagePlace extends Readonly<Record<"runId" | "stage", string>> {
  readonly runs: RunStore;
}

/** Lines that one reading gives: whoever follows comes again. */
const MOST_ROWS = 20_000;

/** A month of sixteen figures takes half of it; more is read of no file. */
const MAX_FIGURES_BYTES = 32 << 20;

/**
 * What the figures of a stage were, from a byte of their file on. Steps fall where a stage was begun again.
 * @returns with the byte to go on from
 */
export function readFigures({ runs, runId, stage }: StagePlace, from?: number) {
  const path = runs.figuresPath(runId, stage);
  if ((statIfThere(path)?.size ?? 0) > MAX_FIGURES_BYTES) return { rows: [], next: from ?? 0 };
  return readRecordsFrom(path, figureRowSchema, from, MOST_ROWS);
}

/** The end of the log of a stage, in whole lines; undefined where it has none. @param bytes at most */
export function logTail({ runs, runId, stage }: StagePlace, bytes: number): string | undefined {
  return unlessReadable(() => {
    using file = openPlain(runs.logPath(runId, stage));
    const { size } = file.statSync();
    const from = Math.max(0, size - bytes);
    file.seekSync(from, Deno.SeekMode.Start);
    const tail = fill(new Uint8Array(size - from), file);
    return new TextDecoder().decode(tail.subarray(from === 0 ? 0 : tail.indexOf(10) + 1));
  }, undefined);
}
