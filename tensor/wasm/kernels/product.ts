import { type Backend, withRegion } from "./memory.ts";

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
  withRegion(
    backend,
    a,
    rows * inner,
    (aId) =>
      withRegion(backend, b, inner * columns, (bId) =>
        withRegion(backend, out, rows * columns, (outId) => {
          native(aId, aShape, 3, bId, bShape, 3, false, false, outId);
        })),
  );
}

/** Encodes a list of integers for the engine. */
function bytesOf(integers: readonly number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(integers).buffer);
}
