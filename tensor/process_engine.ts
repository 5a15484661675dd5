/**
 * An engine that a process has only once: started for the first device that needs it, closed when the last releases it.
 */
export class ProcessEngine<T> {
  #started: Promise<T> | undefined;
  #users = 0;

  constructor(private readonly start: () => Promise<T>, private readonly close: (engine: T) => void) {}

  get isOpen(): boolean {
    return this.#started !== undefined;
  }

  /** Returns the engine. The caller must release it once. */
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
