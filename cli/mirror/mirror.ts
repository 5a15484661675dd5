import { abortable, delay } from "@std/async";
import type { Diagnostic, EngineEvent, RunFinished } from "noiseline/core";
import { planRecordOf } from "noiseline/engine";
import { paramName } from "noiseline/report";
import type { RunEnd } from "../../pages/results/page.ts";

/** The facts of a run that are known at its start. */
export interface MirroredRun {
  readonly runId: string;
  readonly pipeline: string;
  /** Params that decide results, such as `train.steps`, as JSON or plain text. */
  readonly params: Readonly<Record<string, string>>;
  readonly startedMs: number;
}

/** The figures that a stage reported at a step, by name. */
interface FigureRow {
  readonly stage: string;
  readonly step: number;
  readonly atMs: number;
  readonly figures: Readonly<Record<string, number>>;
}

/** A place outside that gets what a run reports. One call is made at a time, and again if it throws an error. */
export interface Tracker {
  begin(run: MirroredRun): Promise<void>;
  figures(rows: readonly FigureRow[]): Promise<void>;
  preview(stage: string, step: number, png: Uint8Array<ArrayBuffer>): Promise<void>;
  page(html: Uint8Array<ArrayBuffer>): Promise<void>;
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

/** The pause in ms after which what a run has reported is sent. */
const PAUSE_MS = 500;
/** The first wait in ms after a failed call; each further one is twice as long, up to the longest. */
const [SHORTEST_WAIT_MS, LONGEST_WAIT_MS] = [500, 15_000];
/** Time in ms at the end of a run for all that is not sent yet. */
const LAST_WAIT_MS = 30_000;
/** Rows of figures that wait at most: 50 MB. */
const MOST_WAITING = 100_000;

type End = RunEnd & Pick<RunFinished, "status">;
type Event<T> = Extract<EngineEvent, { type: T }>;

/**
 * Sends what a run reports to a tracker, in its own time: a tracker that is slow, away or refuses delays no stage, and
 * fails no run.
 */
export class Mirror {
  readonly #rows: FigureRow[] = [];
  readonly #previews: Event<"stage-preview">[] = [];
  readonly #ended = Promise.withResolvers<End>();
  /** Aborted when nothing more is sent. */
  readonly #over = new AbortController();
  /** The number of messages that were not sent in time; undefined before the run begins. */
  #left: Promise<number> | undefined;
  #dropped = 0;

  /** @param place as the user gave it @param warn is told once that the tracker is away, and what it did not get */
  constructor(
    readonly place: string,
    readonly tracker: Tracker,
    readonly warn: (diagnostic: Diagnostic) => void,
  ) {}

  hear(event: EngineEvent): void {
    if (this.#over.signal.aborted) return;
    if (event.type === "run-started") this.#left = this.#sendAll(event);
    if (event.type === "stage-preview") this.#previews.push(event);
    if (event.type !== "stage-progress") return;
    const { id: stage, update: { done: step, figures = {} } } = event;
    const numbers = Object.entries(figures).filter((one): one is [string, number] => Number.isFinite(one[1]));
    if (numbers.length === 0) return;
    this.#rows.push({ stage, step, atMs: Date.now(), figures: Object.fromEntries(numbers) });
    this.#dropped += this.#rows.splice(0, this.#rows.length - MOST_WAITING).length;
  }

  /** Sends the rest: scores, the page and how the run ended. */
  async close(end: End, stop: AbortSignal): Promise<void> {
    this.#ended.resolve(end);
    const late = delay(LAST_WAIT_MS, { signal: AbortSignal.any([stop, this.#over.signal]) }).catch(() => {});
    await Promise.race([this.#left, late]);
    this.#over.abort();
    const left = await this.#left ?? 0;
    if (left === 0) return;
    const fix = "the results are whole: `metrics --tensorboard` writes their figures for TensorBoard";
    this.#tell(`did not get all of this run: ${left} of its messages are left`, fix);
  }

  /** Yields the messages of a run to the tracker, in order, as the run reports them. */
  async *#messages({ runId, plan }: Event<"run-started">): AsyncGenerator<() => Promise<void>, void> {
    const { tracker } = this;
    const params = planRecordOf(plan).stages.flatMap(({ id, kind, params }) =>
      params.map(({ path, value }) => {
        return [paramName(id, path, kind), typeof value === "string" ? value : JSON.stringify(value)];
      })
    );
    const run = { runId, pipeline: plan.pipeline.name, params: Object.fromEntries(params), startedMs: Date.now() };
    yield () => tracker.begin(run);
    let end: End | void = undefined;
    while (end === undefined) {
      end = await Promise.race([this.#ended.promise, delay(PAUSE_MS)]);
      const rows = this.#rows.splice(0);
      if (rows.length > 0) yield () => tracker.figures(rows);
      for (const { id, step, path } of this.#previews.splice(0)) {
        yield async () => {
          // A preview that is gone was replaced by a later one.
          const png = await Deno.readFile(path).catch(() => undefined);
          if (png !== undefined) await tracker.preview(id, step, png);
        };
      }
    }
    const { scores = [], page, status } = end;
    const whole = scores.filter(({ timesteps, label }) => timesteps === undefined && label === undefined);
    const last = whole.map(({ experiment: stage, metric, value, step = 0 }) => {
      return { stage, step, atMs: Date.now(), figures: { [metric]: value } };
    });
    if (last.length > 0) yield () => tracker.figures(last);
    if (page !== undefined) yield async () => await tracker.page(await Deno.readFile(page));
    yield () => tracker.end(status);
  }

  /** Sends all messages of a run, each again and again if need be. @returns how many were not sent in time */
  async #sendAll(started: Event<"run-started">): Promise<number> {
    const { signal } = this.#over;
    let [left, isTold] = [0, false];
    for await (const send of this.#messages(started)) {
      left++;
      for (let wait = SHORTEST_WAIT_MS; !signal.aborted; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
        try {
          await abortable(send(), signal);
          left--;
          break;
        } catch (error) {
          if (signal.aborted) break;
          const { cause, message } = error as Error;
          const reason = cause instanceof Error ? `${message}: ${cause.message}` : message;
          if (error instanceof Refused) {
            this.#over.abort();
            this.#tell(`refuses this run: ${reason}`, "see what it wants; the run itself goes on");
            return 0;
          }
          if (!isTold) {
            this.#tell(`does not answer: ${reason}`, "nothing to do: missed events are sent when it answers");
          }
          isTold = true;
          await delay(wait, { signal }).catch(() => {});
        }
      }
    }
    return left + this.#dropped;
  }

  #tell(message: string, fix: string): void {
    this.warn({ severity: "warning", code: "check", message: `mirror ${this.place} ${message}`, fix });
  }
}
