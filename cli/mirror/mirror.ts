import { delay } from "@std/async";
import type { Diagnostic, EngineEvent, RunFinished } from "noiseline/core";
import { planRecordOf } from "noiseline/engine";
import type { RunEnd } from "../results/page.ts";

/** The facts of a run that are known at its start. */
export interface MirroredRun {
  readonly runId: string;
  readonly pipeline: string;
  /** Params that decide results, such as `train.with.steps`, as JSON or plain text. */
  readonly params: Readonly<Record<string, string>>;
  readonly startedMs: number;
}

/** A number at a step; `name` begins with its stage: `train/loss`. */
export interface Figure {
  readonly name: string;
  readonly step: number;
  readonly value: number;
  readonly atMs: number;
}

/** A place outside that gets what a run reports. One call is made at a time, and again if it throws an error. */
export interface Tracker {
  begin(run: MirroredRun): Promise<void>;
  figures(figures: readonly Figure[]): Promise<void>;
  /** @param name `train/preview.png` @param step of a preview; undefined for the page of the whole run */
  file(name: string, bytes: Uint8Array<ArrayBuffer>, step: number | undefined): Promise<void>;
  end(status: RunFinished["status"]): Promise<void>;
}

/** Thrown if a tracker will never take what it was sent. */
export class Refused extends Error {}

/** Makes the folder of a tracker that is files. @throws Refused if it cannot be made */
export async function makeFolder(folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true }).catch(({ message }) => {
    throw new Refused(message);
  });
}

/** The first wait in ms after a failed call; each further one is twice as long, up to the longest. */
const [SHORTEST_WAIT_MS, LONGEST_WAIT_MS] = [500, 15_000];
/** Time in ms at the end of a run for all that is not sent yet. */
const LAST_WAIT_MS = 30_000;
/** Figures that wait at most: 50 MB. */
const MOST_WAITING = 200_000;
const MOST_AT_ONCE = 1_000;

/**
 * Sends what a run reports to a tracker, in its own time: a tracker that is slow, away or refuses delays no stage, and
 * fails no run.
 */
export class Mirror {
  readonly #tasks: (() => Promise<void>)[] = [];
  #waiting: Figure[] = [];
  #left = 0;
  #work: Promise<void> | undefined;
  #begun = false;
  #closing = false;
  /** Aborted when nothing more is sent. */
  readonly #over = new AbortController();

  /** @param place as the user gave it @param warn is told once that the tracker is away, and what it did not get */
  constructor(
    readonly place: string,
    readonly tracker: Tracker,
    readonly warn: (diagnostic: Diagnostic) => void,
  ) {}

  hear(event: EngineEvent): void {
    if (event.type === "run-started") {
      const { runId, plan } = event;
      const stages = planRecordOf(plan).stages.flatMap(({ id, params }) =>
        params.map(({ path, value }) => [`${id}.${path}`, typeof value === "string" ? value : JSON.stringify(value)])
      );
      const run = { runId, pipeline: plan.pipeline.name, params: Object.fromEntries(stages), startedMs: Date.now() };
      this.#begun = true;
      this.#add(() => this.tracker.begin(run));
    }
    if (event.type === "stage-progress") {
      const { id, update: { done, figures = {} } } = event;
      for (const [name, value] of Object.entries(figures)) {
        if (typeof value !== "number" || !Number.isFinite(value)) continue;
        this.#waiting.push({ name: `${id}/${name}`, step: done, value, atMs: Date.now() });
      }
      const over = Math.max(0, this.#waiting.length - MOST_WAITING);
      this.#waiting.splice(0, over);
      this.#left += over;
      this.#begin();
    }
    if (event.type === "stage-preview") {
      const { id, step, path } = event;
      this.#add(async () => {
        // A preview that is gone was replaced by a later one.
        const bytes = await Deno.readFile(path).catch(() => undefined);
        if (bytes !== undefined) await this.tracker.file(`${id}/preview.png`, bytes, step);
      });
    }
  }

  /** Sends the rest: scores, the page and how the run ended. */
  async close(status: RunFinished["status"], { scores = [], page }: RunEnd, stop: AbortSignal): Promise<void> {
    if (!this.#begun || this.#over.signal.aborted) return;
    for (const { experiment, metric, timesteps, label, value, step = 0 } of scores) {
      if (timesteps !== undefined || label !== undefined) continue;
      this.#waiting.push({ name: `${experiment}/${metric}`, step, value, atMs: Date.now() });
    }
    this.#sendWaiting();
    if (page !== undefined) {
      this.#add(async () => await this.tracker.file("report.html", await Deno.readFile(page), undefined));
    }
    this.#add(() => this.tracker.end(status));
    this.#closing = true;
    const late = delay(LAST_WAIT_MS, { signal: AbortSignal.any([stop, this.#over.signal]) }).catch(() => {});
    await Promise.race([this.#work, late]);
    const left = this.#tasks.length + this.#waiting.length + this.#left;
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    await late;
    if (left === 0) return;
    const fix = "the results are whole: `metrics --tensorboard` writes their figures for TensorBoard";
    this.#tell(`did not get all of this run: ${left} of its messages are left`, fix);
  }

  #add(task: () => Promise<void>): void {
    if (this.#over.signal.aborted) return;
    this.#sendWaiting();
    this.#tasks.push(task);
    this.#begin();
  }

  #sendWaiting(): void {
    const all = this.#waiting;
    this.#waiting = [];
    for (let at = 0; at < all.length; at += MOST_AT_ONCE) {
      const some = all.slice(at, at + MOST_AT_ONCE);
      this.#tasks.push(() => this.tracker.figures(some));
    }
    if (all.length > 0) this.#begin();
  }

  #begin(): void {
    this.#work ??= this.#run().finally(() => this.#work = undefined);
  }

  async #run(): Promise<void> {
    let wait = SHORTEST_WAIT_MS;
    let told = false;
    while (!this.#over.signal.aborted) {
      const task = this.#tasks[0];
      if (task === undefined) {
        if (this.#waiting.length === 0) return;
        if (!this.#closing) await this.#wait(SHORTEST_WAIT_MS);
        this.#sendWaiting();
        continue;
      }
      try {
        await task();
        this.#tasks.shift();
        wait = SHORTEST_WAIT_MS;
      } catch (error) {
        const { cause, message: said } = error as Error;
        const message = cause instanceof Error ? `${said}: ${cause.message}` : said;
        if (error instanceof Refused) {
          this.#over.abort();
          this.#tasks.length = this.#waiting.length = 0;
          return this.#tell(`refuses this run: ${message}`, "see what it wants; the run itself goes on");
        }
        if (!told) this.#tell(`does not answer: ${message}`, "nothing to do: it gets what it misses when it is back");
        told = true;
        await this.#wait(wait);
        wait = Math.min(2 * wait, LONGEST_WAIT_MS);
      }
    }
  }

  async #wait(ms: number): Promise<void> {
    await delay(ms, { signal: this.#over.signal }).catch(() => {});
  }

  #tell(message: string, fix: string): void {
    this.warn({ severity: "warning", code: "check", message: `mirror ${this.place} ${message}`, fix });
  }
}
