import * as tf from "@tensorflow/tfjs-core";
import type { Device, DeviceOptions } from "../device.ts";
import { openEagerDevice } from "../eager_device.ts";
import { checkThreads } from "../numerics.ts";
import { registerTensorflowKeepMask } from "../random/kernels/tensorflow.ts";
import { tensorflowNumerics } from "./describe.ts";
import { findInstallation, type Installation, setupCommand } from "./installation.ts";
import { loadTensorflow, TENSORFLOW_BACKEND } from "./load.ts";

interface TensorflowOptions extends DeviceOptions {
  readonly gpu: boolean;
  /** Use this instead of the installation in its place: for the setup, which tries what it has built. */
  readonly installation?: Installation;
}

/**
 * Opens TensorFlow through tfjs-node or tfjs-node-gpu: functions run op by op in its kernels. TensorFlow is loaded here
 * and stays loaded, with its threads, until the process ends.
 * @throws Error when TensorFlow is not set up, finds no GPU, or is already loaded with other options.
 */
export async function openTensorflowDevice(options: TensorflowOptions): Promise<Device> {
  const { gpu, threads } = options;
  const name = gpu ? "tensorflow-gpu" : "tensorflow";
  if (threads !== undefined) checkThreads(name, threads);
  const installation = options.installation ?? findInstallation(gpu);
  if (installation === undefined) {
    throw new Error(`Cannot open device "${name}": TensorFlow is not set up. Fix: ${setupCommand(gpu)}`);
  }
  await tf.ready();
  const loaded = loadTensorflow(installation, threads);
  if (gpu && !loaded.usesGpu) {
    throw new Error(
      `Cannot open device "${name}": TensorFlow ${installation.tensorflow} finds no GPU that it can use. ` +
        `Fix: see why with TF_CPP_MIN_LOG_LEVEL=0, check nvidia-smi, or use device auto.`,
    );
  }
  if (gpu) registerTensorflowKeepMask(TENSORFLOW_BACKEND);
  return await openEagerDevice({
    name,
    numerics: options.numerics ?? tensorflowNumerics(installation, loaded.threads),
    backend: TENSORFLOW_BACKEND,
  });
}
