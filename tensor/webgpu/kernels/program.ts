import type * as tf from "@tensorflow/tfjs-core";
import { webgpu_util, type WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";

/** A shader as TF.js's backend takes it: it adds the bindings, `uniforms` with all shapes, and the entry point. */
export type Program = Parameters<WebGPUBackend["runWebGPUProgram"]>[0];

/** Arguments of a kernel: what TF.js hands over, with the backend that it really is. */
export type KernelCall = Required<Parameters<tf.KernelFunc>[0]> & { readonly backend: WebGPUBackend };

/** A kernel of ours, made from TF.js's own, which it may use. */
export type KernelMaker = (theirs: (call: KernelCall) => tf.TensorInfo) => (call: KernelCall) => tf.TensorInfo;

/** The same numbers in another shape. Dispose of it as of any other. */
export function reshaped(backend: WebGPUBackend, { dataId, dtype }: tf.TensorInfo, shape: number[]): tf.TensorInfo {
  backend.incRef(dataId);
  return { dataId, dtype, shape };
}

/** A shader whose `main` is called with the index of each element of the output, to set it. */
export function elementwiseProgram(
  outputShape: number[],
  { code, ...names }: Pick<Program, "variableNames" | "uniforms" | "shaderKey"> & { readonly code: string },
): Program {
  const workgroupSize: [number, number, number] = [64, 1, 1];
  const dispatchLayout = webgpu_util.flatDispatchLayout(outputShape);
  const dispatch = webgpu_util.computeDispatch(dispatchLayout, outputShape, workgroupSize);
  return { ...names, outputShape, workgroupSize, dispatchLayout, dispatch, size: true, getUserCode: () => code };
}

const SUM_PARTS = `
  fn main(index : i32) {
    if (index < uniforms.size) {
      var sum = 0.0;
      for (var part = 0; part < uniforms.count; part++) {
        sum += parts[part * uniforms.size + index];
      }
      setOutputAtIndex(index, sum);
    }
  }
`;

/** The sum of `parts[0]`, `parts[1]`, …, in that order, in the given shape. */
export function sumParts(backend: WebGPUBackend, parts: tf.TensorInfo, shape: number[]): tf.TensorInfo {
  if (parts.shape[0] === 1) return reshaped(backend, parts, shape);
  const names = { variableNames: ["parts"], uniforms: "count : i32,", shaderKey: "noiselineSumParts" };
  const program = elementwiseProgram(shape, { ...names, code: SUM_PARTS });
  return backend.runWebGPUProgram(program, [parts], "float32", [{ type: "int32", data: [parts.shape[0]!] }]);
}
