import { threadMain } from "./thread.ts";

/** How Emscripten sees a worker: it sets the handlers and sends messages. */
export interface EngineWorker {
  onmessage: ((event: { data: unknown }) => void) | undefined;
  onerror: ((event: ErrorEvent) => void) | undefined;
  postMessage(message: unknown): void;
  terminate(): void;
}

export interface WorkerPool {
  /** To give to Emscripten in place of `Worker`. */
  readonly Worker: new () => EngineWorker;
  /** End every worker that was made. */
  terminate(): void;
  /** Let go of what new workers would be made from. */
  close(): void;
}

/**
 * Workers for Emscripten. They are module workers, the only ones that Deno has, and come from a blob: for a file Deno
 * would ask for permission to read it.
 *
 * @param onFailure called when a worker fails before it is ready. Emscripten would throw the error from an event handler,
 *     where nobody can catch it.
 */
export function workerPool(onFailure: (error: Error) => void): WorkerPool {
  const url = URL.createObjectURL(new Blob([`(${threadMain})();`], { type: "text/javascript" }));
  const made: Worker[] = [];

  class PoolWorker implements EngineWorker {
    onmessage: EngineWorker["onmessage"];
    onerror: EngineWorker["onerror"];
    readonly #worker: Worker;
    #ready = false;

    constructor() {
      this.#worker = new Worker(url, { type: "module" });
      made.push(this.#worker);
      this.#worker.onmessage = (event) => {
        this.#ready = true;
        this.onmessage?.(event);
      };
      this.#worker.onerror = (event) => {
        event.preventDefault();
        if (this.#ready) this.onerror?.(event);
        else onFailure(new Error(event.message));
      };
    }

    postMessage(message: unknown): void {
      this.#worker.postMessage(message);
    }

    terminate(): void {
      this.#worker.terminate();
    }
  }

  return {
    Worker: PoolWorker,
    terminate() {
      for (const worker of made) worker.terminate();
    },
    close() {
      URL.revokeObjectURL(url);
    },
  };
}
