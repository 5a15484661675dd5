import * as tf from "@tensorflow/tfjs";
import type { CompiledFunction, Device, DeviceOptions } from "../device.ts";
import { onnxNumerics } from "../numerics.ts";
import { trace } from "../trace/trace.ts";
import { compileTraced } from "./compiled.ts";

/** ONNX Runtime on the CPU: each compiled function is one graph, traced from TF.js ops and its autodiff. */
export async function openOnnxDevice(options: DeviceOptions = {}): Promise<Device> {
  const threads = options.threads ?? navigator.hardwareConcurrency;
  if (!Number.isInteger(threads) || threads < 1) {
    throw new RangeError(`Cannot open device "onnx": threads must be a positive integer: got ${threads}`);
  }
  const numerics = options.numerics ?? onnxNumerics();
  // Tracing goes back to the backend that was selected before, so there has to be one.
  await tf.ready();
  const compiled = new Set<CompiledFunction>();
  let open = true;
  return {
    name: "onnx",
    numerics,
    async compile(fn, inputs, { label = "function" } = {}) {
      if (!open) throw new Error(`Cannot compile "${label}": device "onnx" has been disposed of`);
      const session = await compileTraced(trace(fn, inputs, label), inputs, { label, threads });
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
