import { readFileSync } from "node:fs";
import { join } from "node:path";
import { binariesFolder } from "./describe.ts";
import { connect, fail, type WasmModule } from "./engine.ts";
import { threadMain } from "./thread.ts";

/** The setting in the script that starts eight workers, whatever the number of threads. */
const POOL_SIZE = "pthreadPoolSize=8";

/**
 * Starts the engine. TF.js's own loader never uses threads in Deno, because it mistakes Deno for Node; so the package's
 * script is evaluated here, without the names by which it recognises Node.
 *
 * @param threads at most `MAX_THREADS`
 * @throws Error when a worker cannot be started, or WebAssembly lacks SIMD.
 */
export async function startModule(threads: number) {
  const failed = Promise.withResolvers<never>();
  // The promise may be rejected before anything awaits it, which must not count as unhandled.
  failed.promise.catch(() => {});
  const pool = workerPool(failed.reject);
  const complaints: string[] = [];
  const printErr = (line: string) => complaints.push(line.trim());
  /** @throws Error when the engine has reported an error: its results are then leftover memory */
  const check = () => {
    if (complaints.length > 0) fail(complaints.join(" "));
  };
  try {
    const starting = evaluate(threads, pool.Worker, printErr, failed.reject);
    return { threads, module: connect(await Promise.race([starting, failed.promise])), check };
  } catch (error) {
    // Workers that did start would keep the process alive.
    pool.terminate();
    throw error;
  } finally {
    pool.close();
  }
}

async function evaluate(
  threads: number,
  Worker: new () => globalThis.Worker,
  printErr: (line: string) => void,
  onFailure: (error: Error) => void,
): Promise<WasmModule> {
  const many = threads > 1 ? "-threaded-simd" : "";
  const read = (rest: string) => readFileSync(join(binariesFolder(), `tfjs-backend-wasm${rest}`));
  // Both builds use SIMD; TF.js, too, starts the build without threads with the script of the build without SIMD.
  const [binary, script] = [read(`${many || "-simd"}.wasm`), sizePool(read(`${many}.js`).toString(), threads)];
  // With these names undefined the script treats its environment as a plain shell, in which everything that it needs is
  // passed in.
  const names = ["process", "module", "exports", "define", "__filename"];
  const define = new Function("Worker", ...names, `${script}; return WasmBackendModule${many && "ThreadedSimd"};`);
  const factory: (settings: object) => Promise<WasmModule> = define(Worker);
  return await factory({
    locateFile: (path: string) => path,
    // Workers evaluate the same script.
    mainScriptUrlOrBlob: script,
    printErr,
    instantiateWasm(imports: WebAssembly.Imports, receive: (...parts: unknown[]) => void) {
      // The engine uses at most half of the cores that it sees, and warns of blocking the only thread of a page.
      Object.assign(imports["env"] ?? {}, {
        emscripten_num_logical_cores: () => 2 * threads,
        emscripten_check_blocking_allowed: () => {},
      });
      WebAssembly.instantiate(binary, imports).then(({ instance, module }) => receive(instance, module), onFailure);
      return {};
    },
  });
}

function sizePool(script: string, threads: number): string {
  if (threads === 1) return script;
  if (!script.includes(POOL_SIZE)) throw new Error(`Cannot happen: the script does not contain "${POOL_SIZE}".`);
  return script.replace(POOL_SIZE, `pthreadPoolSize=${threads - 1}`);
}

/**
 * Makes workers for Emscripten. They are module workers, the only ones that Deno has, and come from a blob: for a file
 * Deno would ask for permission to read it.
 *
 * @param onFailure called when a worker fails before it is ready. Emscripten would throw the error from an event
 * handler, where nothing can catch it.
 */
function workerPool(onFailure: (error: Error) => void) {
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
