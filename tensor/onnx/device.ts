import * as tf from "@tensorflow/tfjs";
import { compilingDevice } from "../compiling_device.ts";
import type { Device, DeviceOptions, Signature } from "../device.ts";
import { onnxNumerics } from "../numerics.ts";
import { trace } from "../trace/trace.ts";
import { compileTraced } from "./compiled.ts";
import { ONNXRUNTIME_VERSION } from "./package.ts";
import type { Provider } from "./session.ts";

const NAMES = { cpu: "onnx", cuda: "onnx-cuda", webgpu: "onnx-webgpu" } as const;

export interface OnnxDeviceOptions extends DeviceOptions {
  /** Default: the CPU. */
  readonly provider?: Provider;
}

/** ONNX Runtime: each compiled function is one graph, traced from TF.js ops and its autodiff. */
export async function openOnnxDevice(options: OnnxDeviceOptions = {}): Promise<Device> {
  const { provider = "cpu", threads = navigator.hardwareConcurrency } = options;
  const name = NAMES[provider];
  if (!Number.isInteger(threads) || threads < 1) {
    throw new RangeError(`Cannot open device "${name}": threads must be a positive integer: got ${threads}`);
  }
  const numerics = options.numerics ?? (provider === "cpu" ? onnxNumerics(threads) : `${name}/${ONNXRUNTIME_VERSION}`);
  // Tracing goes back to the backend that was selected before, so there has to be one.
  await tf.ready();
  if (provider !== "cpu") await tryProvider(provider, name);
  return compilingDevice(
    { name, numerics },
    (fn, inputs, label) => compileTraced(trace(fn, inputs, label), inputs, { label, threads, provider }),
  );
}

/** Whether a provider's own libraries and drivers load shows only when it computes something. */
async function tryProvider(provider: Provider, name: string): Promise<void> {
  const inputs: Signature = { x: { shape: [1], dtype: "float32" } };
  const probe = compileTraced(trace(({ x }) => ({ y: tf.add(x!, 1) }), inputs, "probe"), inputs, {
    label: "probe",
    threads: 1,
    provider,
  });
  try {
    await probe.run({ x: Float32Array.of(1) });
  } catch (error) {
    throw new Error(
      `Cannot open device "${name}": ${error instanceof Error ? error.message : error}. Fix: use device auto.`,
      { cause: error },
    );
  } finally {
    await probe.dispose();
  }
}
