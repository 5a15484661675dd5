import type { ProgressUpdate } from "../../stages/contract.ts";

/** How fast a stage works, from what it reports: what it does before its first report, such as tracing, is left out. */
export class RateMeter {
  readonly #now: () => number;
  #first: { readonly at: number; readonly done: number; readonly unit: string } | undefined;
  #last: { readonly at: number; readonly update: ProgressUpdate } | undefined;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  note(update: ProgressUpdate): void {
    const at = this.#now();
    if (this.#first?.unit !== update.unit) this.#first = { at, done: update.done, unit: update.unit };
    this.#last = { at, update };
  }

  /** By unit, such as `{ step: 9.7, image: 310 }`; empty for stages that report less than twice. */
  perSecond(): Record<string, number> {
    if (this.#first === undefined || this.#last === undefined) return {};
    const { update: { done, unit, images } } = this.#last;
    const seconds = (this.#last.at - this.#first.at) / 1_000;
    const rate = (done - this.#first.done) / seconds;
    if (!(seconds > 0) || !(rate > 0)) return {};
    const rounded = (value: number) => Number(value.toPrecision(4));
    return { [unit]: rounded(rate), ...(images === undefined ? {} : { image: rounded(rate * images) }) };
  }
}
