/** Limits how many tasks run at once; the others wait in order. */
export class Semaphore {
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

  /** Runs the work for each item. After a failure no more begins; work in progress ends, then the failure is thrown. */
  async map<T, R>(items: Iterable<T>, work: (item: T) => Promise<R>): Promise<R[]> {
    let failed = false;
    const fail = (error: unknown) => {
      failed = true;
      throw error;
    };
    const doOne = async (item: T) => failed ? undefined : await work(item).catch(fail);
    const all = Array.from(items, (item) => this.run(() => doOne(item)));
    await Promise.allSettled(all);
    return await Promise.all(all) as R[];
  }
}
