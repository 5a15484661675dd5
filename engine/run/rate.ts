import { definedOnly } from "../../std/defined_only.ts";
import type { ProgressUpdate } from "../../contract/stage.ts";

/** How fast a stage works, from what it reports: what it does before its first report, such as tracing, is left out. */
export class RateMeter {
  #first: { readonly at: number; readonly done: number; readonly unit: string } | undefined;
  #units = 0;
  #last: { readonly at: number; readonly update: ProgressUpdate } | undefined;

  constructor(private readonly now: () => number = () => performance.now()) {}

  note(update: ProgressUpdate): void {
    const at = this.now();
    if (this.#first?.unit !== update.unit) {
      this.#first = { at, done: update.done, unit: update.unit };
      this.#units++;
    }
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
    return { [unit]: rounded(rate), ...definedOnly({ image: images && rounded(rate * images) }) };
  }

  /**
   * Of the whole time of a stage, what does not grow with its work: starting, loading, tracing. Undefined where its
   * reports do not tell.
   * @param from units that it did not have to do
   */
  overheadMs(durationMs: number, from: number): number | undefined {
    if (this.#units !== 1 || this.#last!.update.done <= this.#first!.done) return undefined;
    const { at, update: { done } } = this.#last!;
    const eachMs = (at - this.#first!.at) / (done - this.#first!.done);
    return Math.max(0, durationMs - eachMs * (done - from));
  }
}
