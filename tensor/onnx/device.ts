import * as tf from "@tensorflow/tfjs-core";
import { compilingDevice } from "../compiling_device.ts";
import type { Device, DeviceOptions } from "../device.ts";
import { onnxNumerics } from "./describe.ts";
import { trace } from "../trace/trace.ts";
import { compileTraced } from "./compiled.ts";

/** ONNX Runtime on the CPU: each compiled function is one graph, traced from TF.js ops and its autodiff. */
export async function openOnnxDevice(options: DeviceOptions = {}): Promise<Device> {
  const { threads = navigator.hardwareConcurrency } = options;
  const name = "onnx";
  if (!Number.isInteger(threads) || threads < 1) {
    throw new RangeError(`Cannot open device "${name}": threads must be a positive integer: got ${threads}`);
  }
  // Tracing goes back to the backend that was selected before, so there has to be one.
  await tf.ready();
  return compilingDevice(
    { name, numerics: options.numerics ?? onnxNumerics(threads) },
    (fn, inputs, label) => compileTraced(trace(fn, inputs, label), { label, threads }),
  );
}
