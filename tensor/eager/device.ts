import * as tf from "@tensorflow/tfjs-core";
import { compilingDevice, type SharedEngine } from "../compiling_device.ts";
import type { Device } from "../device.ts";
import { registerHostKeepMask } from "../random/kernels/host.ts";
import { compileEager } from "./compile.ts";

export interface EagerDeviceOptions {
  readonly name: string;
  readonly numerics: string;
  /** Name of the TF.js backend, initialised. */
  readonly backend: string;
  readonly shared?: SharedEngine;
}

/** A device that runs functions op by op on a TF.js backend. */
export async function openEagerDevice({ name, numerics, backend, shared }: EagerDeviceOptions): Promise<Device> {
  // Running goes back to the backend that was selected before, so there has to be one.
  await tf.ready();
  registerHostKeepMask(backend);
  return compilingDevice({ name, numerics }, (fn, inputs, label) => compileEager(backend, fn, inputs, label), shared);
}
