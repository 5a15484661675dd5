import { join } from "node:path";
import { z } from "zod";
import { CURVE_PORT, LOG_FILE } from "../../schemas/log.ts";
import type { ProgressUpdate } from "../contract/stage.ts";
import type { StageEvent } from "../process/protocol.ts";
import { makeFolder, removeQuietly, removeTree, writeAtomically, writeNew, writeUnflushed } from "../store/files.ts";
import { ignoreIoErrors } from "../store/io_errors.ts";
import { curveFolder, curvePath, curveReply, listSaved, savedSteps } from "../store/progress.ts";
import { entriesOf, isThere } from "../store/reading.ts";
import { readRecords } from "../store/records.ts";
import { allowWritesBelow } from "../store/write_roots.ts";

/** The most figures that a curve has; those that come later are left out. */
const MAX_FIGURES = 16;

/** The values of one step: of each figure the value, null if it is not finite, and its number, from 1. */
const rowSchema = z.tuple([z.int().min(0), z.array(z.tuple([z.string(), z.number().nullable(), z.int().min(1)]))]);

interface Point {
  readonly value: number | null;
  readonly number: number;
  readonly row: Row;
}

type Row = { readonly step: number; readonly points: Map<string, Point> };

/**
 * Returns true if the value of a figure with this number stays: all up to 1,000, every 10th up to 10,000, every 100th
 * up to 100,000, and so on. It depends on the number alone, so that the curve of a longer run begins with that of a
 * shorter one, and 10 million values make some 4,600 lines.
 */
function stays(number: number): boolean {
  let unit = 1;
  while (number > 1_000 * unit) unit *= 10;
  return number % unit === 0;
}

/**
 * The figures that a stage has reported, thinned by their count and never by a clock. The last, the lowest and the
 * highest value of each figure stay besides, since a search may compare stages by them.
 */
export class Curve {
  #rows = new Set<Row>();
  #figures = new Map<string, { last: Point; lowest: Point; highest: Point }>();
  #end: Row | undefined;

  add({ done: step, figures = {} }: Pick<ProgressUpdate, "done" | "figures">): void {
    if (!Number.isSafeInteger(step) || step < 0) return;
    for (const [name, value] of Object.entries(figures)) {
      if (typeof value !== "number" || name === "step") continue;
      this.#put(step, name, Number.isFinite(value) ? value : null, (this.#figures.get(name)?.last.number ?? 0) + 1);
    }
  }

  #put(step: number, name: string, value: number | null, number: number): void {
    const before = this.#figures.get(name);
    if (before === undefined && this.#figures.size >= MAX_FIGURES) return;
    // A figure that is reported twice at one step has a second line.
    if (this.#end?.step !== step || this.#end.points.has(name)) this.#rows.add(this.#end = { step, points: new Map() });
    const point = { value, number, row: this.#end };
    this.#end.points.set(name, point);
    const better = (old: Point | undefined, sign: number) =>
      old === undefined || old.value === null || (value !== null && sign * (value - old.value) > 0) ? point : old;
    const now = { last: point, lowest: better(before?.lowest, -1), highest: better(before?.highest, 1) };
    this.#figures.set(name, now);
    const kept = Object.values(now);
    for (const old of Object.values(before ?? {})) {
      if (kept.includes(old) || stays(old.number)) continue;
      old.row.points.delete(name);
      if (old.row.points.size === 0) this.#rows.delete(old.row);
    }
  }

  get isEmpty(): boolean {
    return this.#rows.size === 0;
  }

  /** Returns what `load` makes the same curve of. */
  save(): string {
    const lines = Array.from(this.#rows, ({ step, points }) => [
      step,
      Array.from(points, ([name, { value, number }]) => [name, value, number]),
    ]);
    return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  }

  static load(rows: readonly z.output<typeof rowSchema>[]): Curve {
    const curve = new Curve();
    for (const [step, points] of rows) {
      curve.#end = undefined;
      for (const [name, value, number] of points) curve.#put(step, name, value, number);
    }
    return curve;
  }

  /** Returns the lines of an artifact of type `log`. */
  lines(): string[] {
    return Array.from(this.#rows, ({ step, points }) => {
      const figures = Array.from(points, ([name, { value }]) => [name, value] as const);
      return `${JSON.stringify(Object.fromEntries([["step", step], ...figures]))}\n`;
    });
  }
}

/**
 * Keeps the curve of a stage's program, from all that the program reports. With each saved state goes the curve up to
 * it, in a folder that the program cannot write to. Whoever continues from a state continues its curve, so that kills
 * change no byte of it.
 */
export class CurveKeeper {
  #curve = new Curve();
  #hasBegun = false;
  #isUnderWay = false;
  readonly #broken = new AbortController();
  /** The step of the newest state whose curve this keeper has written. */
  #marked: number | undefined;
  readonly #folder: string;

  /** @param progress the folder of the saved states @param limit the wanted extent of the stage */
  constructor(private readonly progress: string, private readonly limit: number) {
    this.#folder = curveFolder(progress);
    allowWritesBelow(this.#folder);
  }

  /** Aborted, with the error as its reason, once a curve cannot be kept: the program works in vain from then on. */
  get broken(): AbortSignal {
    return this.#broken.signal;
  }

  note(event: StageEvent): void {
    if (this.broken.aborted) return;
    try {
      this.#note(event);
    } catch (error) {
      // Whoever passes events on cannot take errors.
      this.#broken.abort(error);
    }
  }

  #note(event: StageEvent): void {
    // Whoever has loaded or saved a state may look at states again, but goes on from none of them.
    if (event.type === "loaded" && !this.#isUnderWay) this.#begin(event.step ?? -1);
    this.#isUnderWay ||= event.type === "loaded" || event.type === "saving" || event.type === "saved";
    // The curve is on disk before its state counts, so that no state is without one, whenever a kill comes.
    if (event.type === "saving") {
      this.#mark(event.step);
      const reply = curveReply(this.progress, event.step);
      removeQuietly(reply);
      ignoreIoErrors(() => writeNew(reply, ""));
    }
    if (event.type === "saved" && event.step !== this.#marked && savedSteps(this.progress).includes(event.step)) {
      this.#mark(event.step);
    }
    if (event.type !== "progress" || event.update.figures === undefined) return;
    const { update } = event;
    // A program that does not say what it loads goes on from the newest state before the first step that it reports.
    if (!this.#hasBegun) this.#begin(this.#newestBefore(update.done));
    this.#curve.add(update);
  }

  #newestBefore(step: number): number {
    return listSaved(this.progress, this.limit).find((saved) => saved.step < step)?.step ?? -1;
  }

  /** Goes on with the curve of a state; of a state without one, with the newest before it. @param step -1 for none */
  #begin(step: number): void {
    this.#hasBegun = true;
    this.#marked = undefined;
    const known = Math.max(-1, ...stepsIn(this.#folder).filter((one) => one <= step));
    this.#curve = Curve.load(known < 0 ? [] : readRecords(curvePath(this.progress, known), rowSchema));
  }

  #mark(step: number): void {
    if (!this.#hasBegun) this.#begin(this.#newestBefore(step));
    makeFolder(this.#folder);
    writeAtomically(curvePath(this.progress, step), this.#curve.save());
    this.#marked = step;
    const states = new Set(savedSteps(this.progress));
    for (const old of stepsIn(this.#folder)) {
      if (old !== step && !states.has(old)) removeTree(curvePath(this.progress, old));
    }
  }

  /**
   * Ends with the program.
   * @param folder where the artifact is written, if any figure was reported
   * @throws if the curve could not be kept
   */
  close(folder: string): void {
    this.broken.throwIfAborted();
    // The program may have been killed before it could say that it had saved.
    const [newest] = savedSteps(this.progress);
    if (this.#hasBegun && newest !== undefined && !stepsIn(this.#folder).includes(newest)) this.#mark(newest);
    if (this.#curve.isEmpty) return;
    makeFolder(folder);
    writeUnflushed(join(folder, LOG_FILE), this.#curve.lines().join(""));
  }
}

/** Returns the steps whose states have curves. */
function stepsIn(folder: string): number[] {
  const names = isThere(folder) ? entriesOf(folder).map(({ name }) => name) : [];
  return names.flatMap((name) => /^(\d+)\.jsonl$/.exec(name)?.[1] ?? []).map(Number);
}

/** Returns the folder of a program's curve, within the folder in which the program has run. */
export function curvePlace(workspace: string): string {
  return join(workspace, "curve");
}

/** Returns the folder of a program's curve by its port, if the program has one. */
export function curveIn(workspace: string): Readonly<Record<string, string>> {
  const folder = curvePlace(workspace);
  return isThere(folder) ? { [CURVE_PORT]: folder } : {};
}
