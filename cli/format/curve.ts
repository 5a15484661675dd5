/** The locale, found as locale(7) describes. If it does not name UTF-8, curves are drawn in ASCII. */
const LOCALE = ["LC_ALL", "LC_CTYPE", "LANG"].map((name) => Deno.env.get(name)).find(Boolean);
const LEVELS = /utf-?8/i.test(LOCALE ?? "utf-8") ? "▁▂▃▄▅▆▇█" : "_.,-~=*#";

/** The width of a curve in cells. Once there are enough values, a curve shows between half as many and this many. */
export const MOST_CELLS = 16;

/** Draws a figure over time in one line of text, however many values there are. */
export class Curve {
  /** Every `each`-th value. */
  #cells: number[] = [];
  #each = 1;
  #count = 0;
  #last: number | undefined;

  /** @param decay weight of the past in each smoothed value, in [0, 1) */
  constructor(private readonly decay: number) {}

  /** @returns the smoothed value */
  add(value: number): number {
    this.#last = this.decay * (this.#last ?? value) + (1 - this.decay) * value;
    if (this.#count++ % this.#each === 0) this.#cells.push(this.#last);
    if (this.#cells.length > MOST_CELLS) {
      this.#cells = this.#cells.filter((_, i) => i % 2 === 0);
      this.#each *= 2;
    }
    return this.#last;
  }

  /**
   * Returns one of eight levels for each value, from the lowest to the highest value, padded with spaces to the full
   * width.
   */
  draw(): string {
    const [low, high] = [Math.min(...this.#cells), Math.max(...this.#cells)];
    const levelOf = (value: number) => Math.round((value - low) / (high - low || 1) * 7);
    return this.#cells.map((value) => LEVELS[levelOf(value)]).join("").padEnd(MOST_CELLS);
  }
}
