import * as tf from "@tensorflow/tfjs-core";
import { registerCompositions } from "./compositions.ts";
import { compilingDevice, type EngineFunction, type SharedEngine } from "./compiling_device.ts";
import type { Device, HostArray, HostTensors, NamedTensors, PureFunction, Signature } from "./device.ts";
import { registerHostKeepMask } from "./random/keep_mask.ts";
import { signatureOf, trace } from "./trace/trace.ts";
import { withBackend } from "./trace/recorder.ts";

/**
 * Opens a device that runs functions op by op on a TF.js backend.
 * @param options.backend name of an initialised backend
 */
export async function openEagerDevice(
  { backend, shared, ...device }: Pick<Device, "name" | "numerics"> & {
    readonly backend: string;
    readonly shared?: SharedEngine;
  },
): Promise<Device> {
  // After running, the previously selected backend is selected again, so there has to be one.
  await tf.ready();
  registerHostKeepMask(backend);
  registerCompositions(backend);
  return compilingDevice(device, (fn, inputs, label) => compileEager(backend, fn, inputs, label), shared);
}

/**
 * Compiles a function for an eager TF.js backend: each run calls the function again, op by op. Here it is traced once
 * without data, which finds the shapes of its outputs and refuses everything that device `onnx` would refuse.
 *
 * @param backend name of an initialised TF.js backend
 */
function compileEager(backend: string, fn: PureFunction, inputs: Signature, label: string): EngineFunction {
  const outputs = signatureOf(trace(fn, inputs, label, { backend }).outputs);
  /** Calls the function once. The caller must dispose of the tensors that it returns. */
  const compute = (feeds: HostTensors, held: NamedTensors) =>
    withBackend(backend, () =>
      tf.tidy(() => {
        const first = tf.scalar(0);
        const results = fn({ ...held, ...upload(feeds, inputs) });
        const seen = new Set<tf.Tensor>();
        return Object.fromEntries(
          Object.keys(outputs).map((name) => {
            const tensor = results[name]!;
            // Held inputs and tensors from outside the function must not be disposed of, and no tensor twice.
            const shared = tensor.id < first.id || seen.has(tensor);
            seen.add(tensor);
            return [name, shared ? tf.clone(tensor) : tensor];
          }),
        );
      }));
  return {
    outputs,
    async bind(values, { carried }) {
      let held = withBackend(backend, () => upload(values, inputs));
      return {
        async run(feeds, results) {
          const before = held;
          const tensors = compute(feeds, before);
          held = { ...before };
          for (const name of carried) {
            before[name]!.dispose();
            held[name] = tensors[name]!;
            delete tensors[name];
          }
          await download(tensors, results);
        },
        async read(names) {
          const entries = names.map(async (name) => [name, (await held[name]!.data()).slice() as HostArray] as const);
          return Object.fromEntries(await Promise.all(entries));
        },
        release: async () => dispose(held),
      };
    },
    release: async () => {},
  };
}

function upload(arrays: HostTensors, signature: Signature): NamedTensors {
  return Object.fromEntries(
    Object.entries(arrays).map(([name, data]) => {
      const { shape, dtype } = signature[name]!;
      // Copied, because some backends keep the array itself, which belongs to the caller.
      return [name, tf.tensor(data.slice(), [...shape], dtype)];
    }),
  );
}

/** Copies the data of tensors, and disposes of them. */
async function download(tensors: NamedTensors, into: HostTensors): Promise<void> {
  await Promise.all(Object.entries(tensors).map(async ([name, tensor]) => into[name]!.set(await tensor.data())));
  dispose(tensors);
}

function dispose(tensors: NamedTensors): void {
  for (const tensor of Object.values(tensors)) tensor.dispose();
}

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
