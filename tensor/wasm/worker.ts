import { threadMain } from "./thread.ts";

/**
 * Makes workers for Emscripten. They are module workers, the only ones that Deno has, and come from a blob: for a file
 * Deno would ask for permission to read it.
 *
 * @param onFailure called when a worker fails before it is ready. Emscripten would throw the error from an event
 * handler, where nothing can catch it.
 */
export function workerPool(onFailure: (error: Error) => void) {
  const url = URL.createObjectURL(new Blob([`(${threadMain})();`], { type: "text/javascript" }));
  const made: Worker[] = [];

  class PoolWorker extends Worker {
    constructor() {
      super(url, { type: "module" });
      made.push(this);
      let ready = false;
      // Called before the handlers that Emscripten sets.
      this.addEventListener("message", () => ready = true, { once: true });
      this.addEventListener("error", (event) => {
        event.preventDefault();
        if (ready) return;
        event.stopImmediatePropagation();
        onFailure(new Error(event.message));
      });
    }
  }

  return {
    /** Replaces `Worker` for Emscripten. */
    Worker: PoolWorker,
    /** Ends every worker that was made. */
    terminate: () => made.forEach((worker) => worker.terminate()),
    /** Releases the blob that new workers would be made from. */
    close: () => URL.revokeObjectURL(url),
  };
}
