import { BACKENDS } from "./protocol.ts";
import type { BackendName, Batch, DemoData, Frame, FromWorker, Port, ToWorker } from "./protocol.ts";

interface PoolOptions {
  readonly data: DemoData;
  /** The backend that must be used; undefined to choose the best. */
  readonly forced: BackendName | undefined;
  /** Starts a worker. */
  readonly begin: () => Promise<Port<ToWorker, FromWorker>>;
}

/** A worker's failure. `final`: no other backend would do better. */
export class Failure extends Error {
  constructor(message: string, readonly final: boolean) {
    super(message);
  }
}

/**
 * For each backend the number of workers, two where there are no threads to use two cores, and the maximum batch size.
 */
const KINDS = {
  webgpu: { name: "WebGPU", workers: 1, most: 64 },
  webgl: { name: "WebGL", workers: 1, most: 64 },
  wasm: { name: "WebAssembly", workers: 2, most: 16 },
};

/** Opens workers on the best backend that works in this browser. @throws Failure if none does */
export async function openPool({ data, forced, begin }: PoolOptions) {
  const left: BackendName[] = forced === undefined ? [...BACKENDS] : [forced];
  const passed: string[] = [];
  const ports: Port<ToWorker, FromWorker>[] = [];
  let stopped = false;
  const skipBackend = (name: string, error: unknown) => {
    if (!(error instanceof Failure) || error.final) throw error;
    passed.push(`${name} cannot be used (${error.message.replace(/\.$/, "")})`);
  };
  const open = async () => {
    for (let backend = left.shift(); backend !== undefined; backend = left.shift()) {
      const { name, workers, most } = KINDS[backend];
      while (ports.length < workers) ports.push(await begin());
      const message = { kind: "open", backend, forced: forced !== undefined, data } as const;
      try {
        const [first] = await Promise.all(ports.map((port) => ask(port, message)));
        const { on } = first as Extract<FromWorker, { kind: "opened" }>;
        return { name, most, about: `Runs on ${on}, by ${name}.` };
      } catch (error) {
        skipBackend(name, error);
      }
    }
    throw new Failure(`This browser cannot sample: ${passed.join(" and ")}.`, true);
  };
  let opened = await open();

  return {
    /** Describes for people which backend is used, and why no better one; empty if it is the best. */
    about: () => [opened.about, passed.map((one) => `${one}.`).join(" ")] as const,
    /**
     * Samples images; `onFrame` gets the current state of the images from `first` on.
     * @returns true unless it was stopped
     */
    async draw(
      { task, count }: Pick<Batch, "task" | "count">,
      onFrame: (first: number, frame: Frame) => void,
    ): Promise<boolean> {
      stopped = false;
      const size = Math.min(opened.most, Math.ceil(count / ports.length));
      const firsts = Array.from({ length: Math.ceil(count / size) }, (_, i) => i * size);
      // Waits for all batches, so that none is still running when the next sampling begins.
      const ends = await Promise.allSettled(ports.map(async (port) => {
        for (let first = firsts.shift(); first !== undefined && !stopped; first = firsts.shift()) {
          const at = first;
          const batch = { kind: "draw", task, first, count: Math.min(size, count - first) } as const;
          await ask(port, batch, (frame) => onFrame(at, frame));
        }
      }));
      const failed = ends.find((end) => end.status === "rejected");
      if (failed === undefined) return !stopped;
      if (left.length === 0) throw failed.reason;
      skipBackend(opened.name, failed.reason);
      opened = await open();
      return await this.draw({ task, count }, onFrame);
    },
    stop() {
      stopped = true;
      for (const port of ports) port.postMessage({ kind: "stop" });
    },
  };
}

/** Sends a message to a worker. @returns the worker's answer. @throws Failure */
function ask(port: Port<ToWorker, FromWorker>, message: ToWorker, onFrame: (frame: Frame) => void = () => {}) {
  return new Promise<FromWorker>((resolve, reject) => {
    port.onmessage = ({ data }) => {
      if (data.kind === "frame") onFrame(data.frame);
      else if (data.kind === "failed") reject(new Failure(data.message, data.final));
      else if (data.kind !== "ready") resolve(data);
    };
    port.postMessage(message);
  });
}
