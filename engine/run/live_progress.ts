import type { ProgressUpdate } from "../../contract/stage.ts";
import type { RunStore } from "../store/runs.ts";
import type { RateMeter } from "./rate.ts";

/** `status` is for people, who do not look twice in a second. */
const INTERVAL_MS = 1_000;

type Teller = Pick<RunStore, "tell" | "hush">;

/**
 * Leaves word of how far a stage is, for other processes. It writes at most once a second, the newest last, and nothing
 * for a stage that ends within its first second: short stages must not cost more for being watched.
 */
export class LiveProgress implements Disposable {
  #last: { readonly update: ProgressUpdate; readonly at: Date } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #told = false;

  constructor(
    private readonly runs: Teller,
    private readonly runId: string,
    private readonly stage: string,
    private readonly rate: RateMeter,
  ) {}

  note(update: ProgressUpdate): void {
    this.#last = { update, at: new Date() };
    this.#timer ??= setTimeout(() => this.#tell(), INTERVAL_MS);
  }

  #tell(): void {
    this.#timer = undefined;
    const { update: { done, total, unit }, at } = this.#last!;
    const perSecond = this.rate.perSecond()[unit] ?? null;
    this.#told = true;
    this.runs.tell(this.runId, this.stage, { at: at.toISOString(), done, total, unit, perSecond });
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    if (this.#told) this.runs.hush(this.runId, this.stage);
  }
}
