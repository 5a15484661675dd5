import type * as tf from "@tensorflow/tfjs-core";
import { addressOf, type Backend, BYTES_PER_ELEMENT, floatsOf, withRegion, withScratch } from "./memory.ts";
import { multiply, rowsPerPart, sumParts } from "./product.ts";
import { transpose } from "./transpose.ts";

/**
 * a^T b for a [..., rows, A] and b [..., rows, B] of one matrix each: the gradient of a dense layer's kernel, a sum over
 * many rows with a small result.
 */
export function multiplyColumns(backend: Backend, a: tf.TensorInfo, b: tf.TensorInfo): tf.TensorInfo {
  const [aColumns, bColumns] = [a.shape.at(-1)!, b.shape.at(-1)!];
  const outer = a.shape.length > b.shape.length ? a.shape.slice(0, -2) : b.shape.slice(0, -2);
  const out = backend.makeOutput([...outer, aColumns, bColumns], "float32");
  // The engine first rearranges the right matrix, at the cost of multiplying it by some 60 columns: it gets the smaller.
  if (bColumns <= aColumns) {
    sumRows(backend, a, b, out);
  } else {
    withScratch(backend, aColumns * bColumns, (turned) => {
      sumRows(backend, b, a, turned);
      transpose(floatsOf(backend, turned), floatsOf(backend, out), bColumns, aColumns);
    });
  }
  return out;
}

function sumRows(backend: Backend, left: tf.TensorInfo, right: tf.TensorInfo, out: tf.TensorInfo): void {
  const [rows, leftColumns] = left.shape.slice(-2) as [number, number];
  const rightColumns = right.shape.at(-1)!;
  if (rows === 0) {
    floatsOf(backend, out).fill(0);
    return;
  }
  const perPart = Math.min(rows, rowsPerPart(leftColumns + rightColumns));
  sumParts(backend, out, Math.ceil(rows / perPart), (part, address) => {
    const first = part * perPart;
    const inner = Math.min(perPart, rows - first);
    withScratch(backend, inner * leftColumns, (turned) => {
      const source = floatsOf(backend, left).subarray(first * leftColumns, (first + inner) * leftColumns);
      transpose(source, floatsOf(backend, turned), inner, leftColumns);
      const from = addressOf(backend, right) + BYTES_PER_ELEMENT * first * rightColumns;
      withRegion(backend, from, inner * rightColumns, (id) => {
        const shape = { rows: leftColumns, inner, columns: rightColumns };
        multiply(backend, addressOf(backend, turned), id, address, shape);
      });
    });
  });
}
