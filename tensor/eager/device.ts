import * as tf from "@tensorflow/tfjs";
import type { CompiledFunction, Device } from "../device.ts";
import { registerHostKeepMask } from "../random/kernels/host.ts";
import { compileEager } from "./compile.ts";

export interface EagerDeviceOptions {
  readonly name: string;
  readonly numerics: string;
  /** Name of the TF.js backend, initialised. */
  readonly backend: string;
}

/** A device that runs functions op by op on a TF.js backend. */
export async function openEagerDevice({ name, numerics, backend }: EagerDeviceOptions): Promise<Device> {
  // Running goes back to the backend that was selected before, so there has to be one.
  await tf.ready();
  registerHostKeepMask(backend);
  const compiled = new Set<CompiledFunction>();
  let open = true;
  return {
    name,
    numerics,
    async compile(fn, inputs, { label = "function" } = {}) {
      if (!open) throw new Error(`Cannot compile "${label}": device "${name}" has been disposed of`);
      const made = compileEager(backend, fn, inputs, label);
      compiled.add(made);
      return {
        ...made,
        async dispose() {
          compiled.delete(made);
          await made.dispose();
        },
      };
    },
    async dispose() {
      open = false;
      await Promise.all([...compiled].map((each) => each.dispose()));
      compiled.clear();
    },
  };
}
