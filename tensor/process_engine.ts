/** An engine of which a process has one: started for the first device that wants it, closed by the last to let go. */
export class ProcessEngine<T> {
  #started: Promise<T> | undefined;
  #users = 0;

  constructor(private readonly start: () => Promise<T>, private readonly close: (engine: T) => void) {}

  get isOpen(): boolean {
    return this.#started !== undefined;
  }

  /** Whoever gets it must let go of it once. */
  async acquire(): Promise<T> {
    this.#started ??= this.start();
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
    if (engine !== undefined) this.close(engine);
  }
}
