/** So much at a time; the rest waits in line. */
export class Limit {
  #free: number;
  readonly #line: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#line.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#line.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }

  /** Do the work for each. Where some of it fails, all that has begun ends first; then the first failure is thrown. */
  async map<T, R>(items: Iterable<T>, work: (item: T) => Promise<R>): Promise<R[]> {
    const ended = await Promise.allSettled(Array.from(items, (item) => this.run(() => work(item))));
    return ended.map((one) => {
      if (one.status === "rejected") throw one.reason;
      return one.value;
    });
  }
}
