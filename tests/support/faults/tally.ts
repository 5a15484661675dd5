import { assertEquals } from "@std/assert";
import type { Verdict } from "./reference.ts";

/** True to try every point, as `NOISELINE_FAULTS=all` asks for, instead of a seeded part. */
export const ALL: boolean = Deno.env.get("NOISELINE_FAULTS") === "all";

/** One row of the table of faults. */
export interface Row {
  readonly kind: string;
  /** Places where the fault can happen. */
  readonly points: number;
  readonly tries: number;
  readonly lost: number;
  readonly wrong: number;
}

/**
 * Counts the outcomes of faults of one kind, adds a row to the table of faults, and fails the test if any harm was
 * done.
 */
export class Tally {
  readonly #kind: string;
  readonly #points: number;
  readonly #harm: string[] = [];
  #tries = 0;
  #lost = 0;
  #wrong = 0;

  constructor(kind: string, points: number) {
    this.#kind = kind;
    this.#points = points;
  }

  /** @param where the point of the fault, for the message of a failure */
  add(where: string, { lost, wrong }: Verdict): void {
    this.#tries++;
    if (lost.length > 0) this.#lost++;
    if (wrong.length > 0) this.#wrong++;
    if (lost.length + wrong.length > 0) this.#harm.push(`${where}: ${[...lost, ...wrong].join("; ")}`);
  }

  close(): void {
    const row: Row = {
      kind: this.#kind,
      points: this.#points,
      tries: this.#tries,
      lost: this.#lost,
      wrong: this.#wrong,
    };
    const path = Deno.env.get("NOISELINE_FAULTS_TABLE");
    if (path !== undefined) Deno.writeTextFileSync(path, `${JSON.stringify(row)}\n`, { append: true });
    // A test that tried nothing has proved nothing.
    assertEquals(this.#tries > 0, true, this.#kind);
    assertEquals(this.#harm, [], `${this.#kind}: ${this.#harm.length} of ${this.#tries} did harm`);
  }
}

/** Returns a generator of numbers in [0, 1) that are the same in each run of the tests (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Returns the whole list if everything is to be tried, else a seeded part of it in its order. */
export function someOf<T>(all: readonly T[], count: number, seed: number): readonly T[] {
  if (ALL || count >= all.length) return all;
  const random = seededRandom(seed);
  const chosen = new Set<number>();
  while (chosen.size < count) chosen.add(Math.floor(random() * all.length));
  return all.filter((_, index) => chosen.has(index));
}

/** Does the work for each element, a few at a time: most of a try is waiting for processes. */
export async function forEachOf<T>(all: readonly T[], work: (one: T) => Promise<void>, width = 2): Promise<void> {
  const queue = [...all];
  const worker = async () => {
    for (let one = queue.shift(); one !== undefined; one = queue.shift()) await work(one);
  };
  await Promise.all(Array.from({ length: width }, worker));
}
