const BLOCKS = "▁▂▃▄▅▆▇█";
/** Where blocks are not to be seen. */
const ASCII = "_.,-~=*#";

/** At most so many cells are drawn, and half of them at least once there were as many values. */
const CELLS = 16;

/** A figure over time in one line of text, whatever number of values there are. */
export class Curve {
  /** Means of as many values each. */
  readonly #cells: number[] = [];
  #each = 1;
  #sum = 0;
  #count = 0;
  #last: number | undefined;

  /** @param decay weight of the past in each value that is shown, in [0, 1) */
  constructor(private readonly decay: number = 0) {}

  /** The newest value, smoothed; NaN before there is one. */
  get last(): number {
    return this.#last ?? NaN;
  }

  add(value: number): void {
    this.#last = this.#last === undefined ? value : this.decay * this.#last + (1 - this.decay) * value;
    this.#sum += this.#last;
    if (++this.#count < this.#each) return;
    this.#cells.push(this.#sum / this.#count);
    [this.#sum, this.#count] = [0, 0];
    if (this.#cells.length <= CELLS) return;
    this.#each *= 2;
    const whole = this.#cells.splice(0);
    [this.#sum, this.#count] = [whole[CELLS]! * this.#each / 2, this.#each / 2];
    for (let i = 0; i < CELLS; i += 2) this.#cells.push((whole[i]! + whole[i + 1]!) / 2);
  }

  /** One of eight levels for each cell, from the lowest to the highest. @param isPlain without any but ASCII characters */
  draw(isPlain: boolean = !speaksUtf8()): string {
    const [low, high] = [Math.min(...this.#cells), Math.max(...this.#cells)];
    const levels = isPlain ? ASCII : BLOCKS;
    const levelOf = (value: number) => high > low ? Math.round((value - low) / (high - low) * 7) : 0;
    return this.#cells.map((value) => levels[levelOf(value)]).join("");
  }
}

/** As locale(7) looks it up. Where nothing is set it is not said that a terminal would not. */
function speaksUtf8(): boolean {
  const locale = ["LC_ALL", "LC_CTYPE", "LANG"].map((name) => Deno.env.get(name)).find((value) => value);
  return locale === undefined || /utf-?8/i.test(locale);
}
