import type { ProgressUpdate } from "../../stages/contract.ts";
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
  readonly #tell: () => void;
  readonly #runs: Teller;
  readonly #where: readonly [runId: string, stage: string];
  #last: { readonly update: ProgressUpdate; readonly at: Date } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #told = false;

  constructor(runs: Teller, runId: string, stage: string, rate: RateMeter) {
    this.#runs = runs;
    this.#where = [runId, stage];
    this.#tell = () => {
      this.#timer = undefined;
      const { update: { done, total, unit }, at } = this.#last!;
      const perSecond = rate.perSecond()[unit] ?? null;
      this.#told = true;
      runs.tell(runId, stage, { at: at.toISOString(), done, total, unit, perSecond });
    };
  }

  note(update: ProgressUpdate): void {
    this.#last = { update, at: new Date() };
    this.#timer ??= setTimeout(this.#tell, INTERVAL_MS);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    if (this.#told) this.#runs.hush(...this.#where);
  }
}
