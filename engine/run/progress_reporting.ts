import { definedOnly } from "../../std/defined_only.ts";
import type { ProgressUpdate } from "../contract/stage.ts";
import type { RunStore } from "../store/runs.ts";
import type { FigureSummary, Timing } from "../../schemas/records.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { PlannedAction } from "../plan/plan.ts";
import { machineClass } from "../process/machine.ts";
import type { Store } from "../store/store.ts";

/** Measures how fast a stage works, from its reports. Work before the first report, such as tracing, is left out. */
export class RateMeter {
  /** Summaries of the stage's figures, which `LiveProgress` writes. */
  readonly figures: Record<string, FigureSummary> = {};
  #first: { readonly at: number; readonly done: number; readonly unit: string } | undefined;
  #units = 0;
  #last: { readonly at: number; readonly update: ProgressUpdate } | undefined;

  constructor(private readonly now: () => number = () => performance.now()) {}

  note(update: ProgressUpdate): void {
    const at = this.now();
    // A further part of the stage's work has begun, in another unit or from 0.
    if (this.#first?.unit !== update.unit || update.done < this.#last!.update.done) {
      this.#first = { at, done: update.done, unit: update.unit };
      this.#units++;
    }
    this.#last = { at, update };
  }

  /** Leaves out time in which no counted work was done. */
  excludeSeconds(seconds: number): void {
    if (this.#first !== undefined) this.#first = { ...this.#first, at: this.#first.at + seconds * 1_000 };
  }

  /** Returns the rates by unit, such as `{ step: 9.7, image: 310 }`; empty for stages that report less than twice. */
  perSecond(): Record<string, number> {
    if (this.#first === undefined || this.#last === undefined) return {};
    const { update: { done, unit, images } } = this.#last;
    const seconds = (this.#last.at - this.#first.at) / 1_000;
    const rate = (done - this.#first.done) / seconds;
    if (!(seconds > 0) || !(rate > 0)) return {};
    const rounded = (value: number) => Number(value.toPrecision(4));
    return { [unit]: rounded(rate), ...definedOnly({ image: images && rounded(rate * images) }) };
  }

  /**
   * Returns the part of a stage's time that does not grow with its work: starting, loading, tracing. Undefined if the
   * reports do not tell.
   * @param from units of work that the stage did not have to do
   */
  overheadMs(durationMs: number, from: number): number | undefined {
    if (this.#units !== 1 || this.#last!.update.done <= this.#first!.done) return undefined;
    const { at, update: { done } } = this.#last!;
    const eachMs = (at - this.#first!.at) / (done - this.#first!.done);
    return Math.max(0, durationMs - eachMs * (done - from));
  }
}

/** The shortest time between two writes: `status` is for people, who do not look twice in a second. */
const INTERVAL_MS = 1_000;
const MAX_FIGURES = 16;

/**
 * Returns the pause between two lines of the history of a stage of the given age. This makes 2,000 lines, and as many
 * again each time the age grows by a factor of e.
 */
export function historyPause(ageMs: number): number {
  return Math.max(INTERVAL_MS, ageMs / 2_000);
}

/**
 * Writes how far a stage is, and its figures, for other processes. It writes at most once a second, the newest report
 * last, which stays for a stage that stopped on its way. For a stage that ends within its first second it writes one
 * line of figures, if there are any, and nothing else: short stages must not cost more for being watched.
 */
export class ProgressWriter implements Disposable {
  #last: { readonly update: ProgressUpdate; readonly at: Date } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isWritten = false;
  /** When the last line of history was written, and for which update. */
  #line: { readonly at: number; readonly of: unknown } | undefined;
  readonly #began = performance.now();

  constructor(
    private readonly runs: Pick<RunStore, "writeProgress" | "removeProgress" | "addFigures">,
    private readonly runId: string,
    private readonly stage: string,
    private readonly rate: RateMeter,
  ) {}

  note(update: ProgressUpdate): void {
    this.#last = { update, at: new Date() };
    const { figures } = this.rate;
    this.rate.note(update);
    for (const [name, last] of this.#numbers()) {
      const known = figures[name];
      if (known === undefined && Object.keys(figures).length >= MAX_FIGURES) continue;
      const { lowest, at } = known !== undefined && known.lowest <= last ? known : { lowest: last, at: update.done };
      figures[name] = { last, lowest, at };
    }
    this.#timer ??= setTimeout(() => this.#write(), INTERVAL_MS);
  }

  #numbers(): [string, number][] {
    const all = Object.entries(this.#last?.update.figures ?? {});
    return all.filter((one): one is [string, number] => typeof one[1] === "number" && Number.isFinite(one[1]));
  }

  #write(): void {
    this.#timer = undefined;
    const { update: { done, total, unit }, at } = this.#last!;
    const [perSecond, figures] = [this.rate.perSecond()[unit] ?? null, this.rate.figures];
    this.#isWritten = true;
    this.runs.writeProgress(this.runId, this.stage, { at: at.toISOString(), done, total, unit, perSecond, figures });
    const now = performance.now();
    if (now - (this.#line?.at ?? -Infinity) >= historyPause(now - this.#began)) this.#addLine();
  }

  #addLine(): void {
    const figures = Object.fromEntries(this.#numbers().slice(0, MAX_FIGURES));
    if (this.#last === undefined || this.#line?.of === this.#last || Object.keys(figures).length === 0) return;
    this.#line = { at: performance.now(), of: this.#last };
    const { update: { done: step }, at } = this.#last;
    this.runs.addFigures(this.runId, this.stage, { step, at: at.toISOString(), figures });
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#addLine();
    if (!this.#isWritten) return;
    const { done, total } = this.#last!.update;
    // How far a stage was that did not reach its end is of use.
    if (done < total) this.#write();
    else this.runs.removeProgress(this.runId, this.stage);
  }
}

/** Records how long a stage took, or a little of its work. */
export function recordTiming(
  store: Store,
  { name: pipeline }: Pipeline,
  planned: PlannedAction,
  took: Pick<Timing, "durationMs" | "overheadMs"> & Partial<Timing>,
): void {
  const { id, stage, work, fromStep = null, device } = planned;
  const { kind, extent = null } = stage;
  const { workGflop = null, workShape = null, likeness = null } = work;
  const what = { pipeline, stage: id, kind: kind.name, workGflop, workShape, likeness, extent, fromStep };
  store.timings.add({ ...what, numerics: device?.numerics ?? null, machine: machineClass(), probe: false, ...took });
}
