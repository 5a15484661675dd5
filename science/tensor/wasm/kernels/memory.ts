import type * as tf from "@tensorflow/tfjs-core";
import type { BackendWasm } from "@tensorflow/tfjs-backend-wasm";
import type { WasmModule } from "../engine.ts";

/** TF.js's backend, with the engine that `startModule` gave it. */
export type Backend = Omit<BackendWasm, "wasm"> & { readonly wasm: WasmModule };

/** Arguments of a kernel: those from TF.js, with the backend's real type. */
export type KernelCall = Required<Parameters<tf.KernelFunc>[0]> & { readonly backend: Backend };

export type Kernel = (call: KernelCall) => tf.TensorInfo | tf.TensorInfo[];

export const BYTES_PER_ELEMENT = 4;

export function addressOf(backend: Backend, tensor: tf.TensorInfo): number {
  // Some addresses beyond 2 GiB are negative numbers here; addresses are unsigned.
  return backend.dataIdMap.get(tensor.dataId).memoryOffset >>> 0;
}

/**
 * Returns the numbers of a float32 tensor. Use them before the next allocation or call of the engine, both of which can
 * move its memory.
 */
export function floatsOf(backend: Backend, tensor: tf.TensorInfo): Float32Array {
  return backend.typedArrayFromHeap(tensor) as Float32Array;
}

/** Gives `body` memory of its own, which holds leftover numbers. */
export function withScratch(backend: Backend, length: number, body: (scratch: tf.TensorInfo) => void): void {
  const scratch = backend.makeOutput([length], "float32");
  try {
    body(scratch);
  } finally {
    backend.disposeData(scratch.dataId);
  }
}

/** The ids of the three matrices of a product; TF.js numbers its tensors from 1 upwards. */
const IDS = [2 ** 31 - 3, 2 ** 31 - 2, 2 ** 31 - 1] as const;
const PARAMETERS = ["number", "array", "number", "number", "array", "number", "number", "number", "number"] as const;

/**
 * Multiplies two float32 matrices at addresses, row-major, with XNNPACK: the one case of TF.js's matMul that is fast, a
 * single product without transposition.
 *
 * @param shape [rows, inner] times [inner, columns]
 */
export function multiply(
  backend: Backend,
  { a, b, out }: Readonly<Record<"a" | "b" | "out", number>>,
  { rows, inner, columns }: Readonly<Record<"rows" | "inner" | "columns", number>>,
): void {
  const [aShape, bShape] = [bytesOf([1, rows, inner]), bytesOf([1, inner, columns])];
  const native = backend.wasm.cwrap("BatchMatMul", null, PARAMETERS);
  const { registerTensor, disposeData } = backend.wasm.tfjs;
  const matrices = [[a, rows * inner], [b, inner * columns], [out, rows * columns]] as const;
  // The engine sees the numbers at the addresses, such as a part of a tensor, as tensors for as long as it multiplies.
  matrices.forEach(([address, length], i) => registerTensor!(IDS[i]!, length, address));
  try {
    native(IDS[0], aShape, 3, IDS[1], bShape, 3, false, false, IDS[2]);
  } finally {
    // This also drops what the engine prepared for products with these matrices.
    IDS.forEach((id) => disposeData!(id));
  }
}

/** Encodes a list of integers for the engine. */
function bytesOf(integers: readonly number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(integers).buffer);
}
