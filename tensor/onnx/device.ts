import * as tf from "@tensorflow/tfjs";
import type { CompiledFunction, Device, DeviceOptions } from "../device.ts";
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
  const compiled = new Set<CompiledFunction>();
  let open = true;
  return {
    name,
    numerics,
    async compile(fn, inputs, { label = "function" } = {}) {
      if (!open) throw new Error(`Cannot compile "${label}": device "${name}" has been disposed of`);
      const session = compileTraced(trace(fn, inputs, label), inputs, { label, threads, provider });
      compiled.add(session);
      return {
        ...session,
        async dispose() {
          compiled.delete(session);
          await session.dispose();
        },
      };
    },
    async dispose() {
      open = false;
      await Promise.all([...compiled].map((session) => session.dispose()));
      compiled.clear();
    },
  };
}
