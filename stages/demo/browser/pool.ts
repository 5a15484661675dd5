import {
  type BackendName,
  BACKENDS,
  type Embedded,
  type Frame,
  type FromWorker,
  type Model,
  type Port,
  type Task,
  type ToWorker,
} from "./protocol.ts";

/** At the other end is `serve`. */
export interface PagePort extends Port<ToWorker, FromWorker> {
  close(): void;
}

export interface PoolOptions {
  readonly embedded: Embedded;
  /** The one that must be taken. */
  readonly forced: BackendName | undefined;
  /** Begins something that draws: a worker where there can be one. */
  readonly begin: () => Promise<PagePort>;
}

/** Those who draw, and what they are. */
export interface Pool {
  readonly backend: BackendName;
  readonly model: Model;
  /** Which one draws, and why no better one, for people. */
  readonly about: string;
  /**
   * Draw images.
   * @param onFrame given what a batch that begins at image `first` is like now
   * @returns whether it came to the end
   * @throws Failure
   */
  draw(task: Task, count: number, onFrame: (first: number, frame: Frame) => void): Promise<boolean>;
  stop(): void;
  /** Let go of those who draw. */
  close(): void;
}

/** What one who draws says when it cannot. */
export class Failure extends Error {
  constructor(message: string, readonly final: boolean) {
    super(message);
  }
}

/** Without threads, as many workers as use two cores; a graphics processor has one. */
const WORKERS = { webgpu: 1, webgl: 1, wasm: 2 };
/** Images at a time. */
const MOST = { webgpu: 64, webgl: 64, wasm: 16 };

/** @param after backends that have failed, and why. @throws Failure where no backend works */
export async function openPool(
  options: PoolOptions,
  after: readonly (readonly [string, string])[] = [],
): Promise<Pool> {
  const failed = [...after];
  const wanted = options.forced === undefined ? BACKENDS : [options.forced];
  for (const backend of wanted.filter((name) => !after.some(([other]) => other === name))) {
    try {
      return await open(backend, options, failed);
    } catch (error) {
      if (!(error instanceof Failure) || error.final) throw error;
      failed.push([backend, error.message]);
    }
  }
  throw new Failure(`This browser cannot draw: ${list(failed)}`, true);
}

const list = (failed: readonly (readonly [string, string])[]) =>
  failed.map(([name, message]) => `${NAMES[name as BackendName]} (${message.replace(/\.$/, "")})`).join("; ");

const NAMES = { webgpu: "WebGPU", webgl: "WebGL", wasm: "WebAssembly" };

async function open(
  backend: BackendName,
  { embedded, forced, begin }: PoolOptions,
  failed: readonly (readonly [string, string])[],
): Promise<Pool> {
  const ports = await Promise.all(Array.from({ length: WORKERS[backend] }, begin));
  const opened = await Promise.all(
    ports.map((port) => ask(port, { kind: "open", backend, forced: forced !== undefined, embedded })),
  );
  const [first] = opened;
  if (first?.kind !== "opened") throw new Error("Cannot happen: a worker opened without a word");
  const why = failed.length === 0 ? "" : `, because there is no ${list(failed)}`;
  const about = `Drawn by ${NAMES[backend]} on ${first.on}${
    ports.length > 1 ? ` in ${ports.length} workers` : ""
  }${why}.`;
  let stopped = false;
  return {
    backend,
    model: first.model,
    about,
    close,
    async draw(task, count, onFrame) {
      stopped = false;
      const size = Math.min(MOST[backend], Math.ceil(count / ports.length));
      const left = Array.from({ length: Math.ceil(count / size) }, (_, i) => i * size);
      await Promise.all(ports.map(async (port) => {
        while (!stopped) {
          const at = left.shift();
          if (at === undefined) return;
          const batch = Math.min(size, count - at);
          await ask(port, { kind: "draw", task, first: at, count: batch }, (frame) => onFrame(at, frame));
        }
      }));
      return !stopped;
    },
    stop() {
      stopped = true;
      for (const port of ports) port.postMessage({ kind: "stop" });
    },
  };
}

/** Say something to one who draws. @returns its answer. @throws Failure */
function ask(port: PagePort, message: ToWorker, onFrame: (frame: Frame) => void = () => {}): Promise<FromWorker> {
  return new Promise((resolve, reject) => {
    port.onmessage = ({ data }) => {
      if (data.kind === "frame") onFrame(data.frame);
      else if (data.kind === "failed") reject(new Failure(data.message, data.final));
      else if (data.kind !== "ready") resolve(data);
    };
    port.postMessage(message);
  });
}
