/** The part of an Emscripten module that a separate thread uses. */
interface ThreadModule {
  __emscripten_thread_init(thread: number, isMain: number, isRuntime: number, canBlock: number): void;
  establishStackSpace(): void;
  invokeEntryPoint(routine: number, argument: number): void;
  readonly PThread: { receiveObjectTransfer(message: RunMessage): void; threadInitTLS(): void };
}

interface LoadMessage {
  readonly cmd: "load";
  readonly wasmMemory: WebAssembly.Memory;
  readonly wasmModule: WebAssembly.Module;
  /** Source of the script that makes the module; Emscripten passes it on without reading it. */
  readonly urlOrBlob: string;
}

interface RunMessage {
  readonly cmd: "run";
  readonly pthread_ptr: number;
  readonly start_routine: number;
  readonly arg: number;
}

/**
 * The code of each worker in the thread pool: the worker script of Emscripten 3.1 for Deno's module workers, which have
 * no `importScripts`. The main thread defines the two messages; see `PThread` in the package's threaded script.
 *
 * The function is sent to the worker as text, so it may use nothing from outside itself.
 */
export function threadMain(): void {
  const scope = globalThis as unknown as {
    onmessage: (event: { data: LoadMessage | RunMessage }) => void;
    postMessage(message: unknown): void;
    startWorker(module: ThreadModule): void;
  };
  let thread: ThreadModule | undefined;
  scope.startWorker = (module) => {
    thread = module;
    scope.postMessage({ cmd: "loaded" });
  };
  scope.onmessage = ({ data }) => {
    if (data.cmd === "load") {
      const { wasmMemory, wasmModule, urlOrBlob } = data;
      // Names that would make the script mistake Deno for Node.
      const hidden = ["process", "module", "exports", "define", "__filename"];
      new Function(...hidden, `${urlOrBlob}; return WasmBackendModuleThreadedSimd;`)()({
        ENVIRONMENT_IS_PTHREAD: true,
        wasmMemory,
        buffer: wasmMemory.buffer,
        instantiateWasm(imports: WebAssembly.Imports, receive: (instance: WebAssembly.Instance) => void) {
          const instance = new WebAssembly.Instance(wasmModule, imports);
          receive(instance);
          return instance.exports;
        },
      });
    } else if (data.cmd === "run" && thread !== undefined) {
      thread.__emscripten_thread_init(data.pthread_ptr, 0, 0, 1);
      thread.establishStackSpace();
      thread.PThread.receiveObjectTransfer(data);
      thread.PThread.threadInitTLS();
      thread.invokeEntryPoint(data.start_routine, data.arg);
    } else {
      throw new Error(`Cannot happen: a thread got the message ${JSON.stringify(data)}.`);
    }
  };
}
