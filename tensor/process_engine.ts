/** An engine of which a process has one: started for the first device that wants it, closed by the last to let go. */
export class ProcessEngine<T> {
  readonly #start: () => Promise<T>;
  readonly #close: (engine: T) => void;
  #started: Promise<T> | undefined;
  #users = 0;

  constructor(start: () => Promise<T>, close: (engine: T) => void) {
    this.#start = start;
    this.#close = close;
  }

  get isOpen(): boolean {
    return this.#started !== undefined;
  }

  /** Whoever gets it must let go of it once. */
  async acquire(): Promise<T> {
    this.#started ??= this.#start();
    this.#users++;
    try {
      return await this.#started;
    } catch (error) {
      await this.release();
      throw error;
    }
  }

  async release(): Promise<void> {
    if (--this.#users > 0) return;
    const started = this.#started;
    this.#started = undefined;
    const engine = await started?.catch(() => undefined);
    if (engine !== undefined) this.#close(engine);
  }
}
