import * as tf from "@tensorflow/tfjs-core";
import { tryDevice } from "../../engine/process/device_trial.ts";
import { chooseDevice } from "../../tensor/choose.ts";
import type { Device } from "../../tensor/device.ts";
import { AUTO_ORDER, type DeviceName } from "../../tensor/devices.ts";
import { openEagerDevice } from "../../tensor/eager_device.ts";
import { mayHaveGpu } from "../../tensor/gpus.ts";
import { openDevice } from "../../tensor/open.ts";
import { findStageDevice } from "../shared/device.ts";
import { trialOf } from "../shared/device_trial.ts";

/** The device that a name stands for on this machine. @throws Error that says why there is none */
export async function findDevice(device: DeviceName) {
  const found = await findStageDevice({ device }, tryDevice);
  if ("device" in found) return found.device;
  throw new Error(`${found.problem.message}. Fix: ${found.problem.fix}.`);
}

/** Which devices a check computes on. */
export interface CheckedDevices {
  /** Default: all that this machine has. Those that it lacks are left out. */
  readonly devices?: readonly DeviceName[];
}

/**
 * Ways to open the devices of this machine, the best first. Graphics that are played in software are left out: TensorFlow
 * crashes in a process that has loaded their drivers.
 */
export async function devicesHere({ devices = AUTO_ORDER }: CheckedDevices): Promise<(() => Promise<Device>)[]> {
  const names = AUTO_ORDER.filter((name) => devices.includes(name) && (name !== "webgpu" || mayHaveGpu()));
  const tryOut = (device: Parameters<typeof trialOf>[0]) => tryDevice(trialOf(device));
  const found = await Promise.all(names.map((name) => chooseDevice(name, { tryOut })));
  const here = found.filter((one) => one.available).filter(({ name, card }) => name !== "webgpu" || card);
  return here.map(({ name, numerics }) => () => openDevice(name, { numerics }));
}

/** TF.js's own backend, in plain JavaScript. */
export async function openPlain(): Promise<Device> {
  await import("../../tensor/complete_tfjs.ts");
  // Else TF.js advises to install its native addon.
  tf.env().set("PROD", true);
  await tf.setBackend("cpu");
  return await openEagerDevice({ name: "cpu", numerics: "cpu", backend: "cpu" });
}
