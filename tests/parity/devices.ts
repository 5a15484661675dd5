import * as tf from "@tensorflow/tfjs-core";
import type { Device } from "../../science/tensor/device.ts";
import { type ConcreteDeviceName, DEVICE_NAMES } from "../../science/tensor/devices.ts";
import { openEagerDevice } from "../../science/tensor/eager_device.ts";
import { IMPLEMENTATIONS, openDevice } from "../../science/tensor/implementations.ts";

/** TF.js's own `cpu` backend as a device: other tests use it as their reference, so it must give the same results. */
export const TFJS_CPU = "tfjs-cpu";

export type ParityDeviceName = ConcreteDeviceName | typeof TFJS_CPU;

export const PARITY_DEVICES: readonly ParityDeviceName[] = [
  ...DEVICE_NAMES.filter((name) => name !== "auto"),
  "tensorflow",
  TFJS_CPU,
];

/** Prevents NVIDIA's libraries from rounding products to TensorFloat-32, which no tolerance here allows for. */
export const FLOAT32 = { NVIDIA_TF32_OVERRIDE: "0" };

/** Returns why a device cannot be opened here, or undefined if it can. */
export async function whyAbsent(name: ParityDeviceName): Promise<string | undefined> {
  if (name === TFJS_CPU) return undefined;
  const { available, reason } = await IMPLEMENTATIONS[name].describe({});
  return available ? undefined : reason;
}

/** Returns true if a device is absent; the output then shows a skipped step. */
export async function skipAbsent(t: Deno.TestContext, name: ParityDeviceName): Promise<boolean> {
  const absent = await whyAbsent(name);
  if (absent !== undefined) await t.step({ name: `skipped: ${name}: ${absent}`, ignore: true, fn: () => {} });
  return absent !== undefined;
}

/** Returns true if a device is a graphics processor that is emulated in software. */
export async function isSoftware(name: ParityDeviceName): Promise<boolean> {
  return name === "webgpu" && (await IMPLEMENTATIONS[name].describe({})).card === false;
}

/**
 * @param threads One, unless threads are tested: test files share the cores, and engines wait for their threads in busy
 *   loops.
 */
export async function openParityDevice(name: ParityDeviceName, threads = 1): Promise<Device> {
  // TF.js advises on standard error, once, to install its native addon; PROD silences advice and changes nothing else.
  tf.env().set("PROD", true);
  if (name !== TFJS_CPU) return await openDevice(name, { threads });
  await tf.setBackend("cpu");
  return await openEagerDevice({ name, numerics: name, backend: "cpu" });
}

/** Prefixes of case names whose kernels are wrong or missing in TF.js, by backend. */
const REFUSED: Readonly<Partial<Record<ParityDeviceName, readonly string[]>>> = {
  "tfjs-cpu": ["maxPool3d"],
  webgpu: ["maxPool3d"],
  tensorflow: ["gather 2x4 3 last"],
  "tensorflow-gpu": ["gather 2x4 3 last"],
  wasm: ["maxPool 2x7x6x3", "maxPool3d", "depthwiseConv2d 2x5x6x3", "conv3d 2x4x5x3x2"],
};

/** True if a device has to refuse a case because of a fault of its backend in `science/tensor/compositions.ts`. */
export function isRefused(device: string, caseName: string): boolean {
  return REFUSED[device as ParityDeviceName]?.some((start) => caseName.startsWith(start)) ?? false;
}
