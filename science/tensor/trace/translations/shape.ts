import * as tf from "@tensorflow/tfjs-core";
import { concat, expand, fromData, gather, pad, reshape, reverse, slice, tile, transpose } from "../emit/shape.ts";
import { binary, cast } from "../emit/elementwise.ts";
import { sizeOf } from "../graph.ts";
import type { TranslationTable } from "./translation.ts";

function normalAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

export const SHAPE: TranslationTable = {
  Reshape: ({ graph, input, attributes }) => {
    const x = input("x");
    return reshape(graph, x, tf.util.inferFromImplicitShape(attributes.shape, sizeOf(x.shape)));
  },
  ExpandDims: ({ graph, input, attributes }) => {
    const x = input("input");
    return reshape(graph, x, x.shape.toSpliced(normalAxis(attributes.dim, x.shape.length + 1), 0, 1));
  },
  Transpose: ({ graph, input, attributes }) => transpose(graph, input("x"), attributes.perm),
  Tile: ({ graph, input, attributes }) => tile(graph, input("x"), attributes.reps),
  BroadcastTo: ({ graph, input, attributes }) => expand(graph, input("x"), attributes.shape),
  Concat: ({ graph, inputs, attributes }) => {
    const parts = inputs();
    const axis = normalAxis(attributes.axis, parts[0]!.shape.length);
    tf.backend_util.assertParamsConsistent(parts.map((part) => [...part.shape]), axis);
    return concat(graph, parts, axis);
  },
  Slice: ({ graph, input, attributes }) => {
    const x = input("x");
    const begin = [attributes.begin].flat();
    const size = [attributes.size].flat();
    const ranges = x.shape.map((dimension, axis) => {
      const start = begin[axis] ?? 0;
      const count = size[axis] ?? -1;
      const whole = count < 0 ? dimension - start : count;
      if (start < 0 || whole < 0 || start + whole > dimension) {
        throw new Error(`slice [${begin}] of size [${size}] does not lie in [${x.shape}]`);
      }
      return { axis, start, count: whole };
    });
    return slice(graph, x, ranges);
  },
  StridedSlice: ({ graph, input, attributes }) => {
    const x = input("x");
    const { beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask } = attributes;
    const masks = [beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask] as const;
    const places = [attributes.begin, attributes.end, attributes.strides] as const;
    const { begin, end, strides, finalShape } = tf.slice_util.sliceInfo([...x.shape], ...places, ...masks);
    const counts = tf.slice_util.computeOutShape(begin, end, strides);
    const ranges = counts.map((count, axis) => ({ axis, start: begin[axis]!, count, step: strides[axis]! }));
    return reshape(graph, slice(graph, x, ranges), finalShape);
  },
  PadV2: ({ graph, input, attributes }) => {
    const paddings: [number, number][] = attributes.paddings;
    const [before, after] = [paddings.map(([count]) => count), paddings.map(([, count]) => count)];
    return pad(graph, input("x"), before, after, attributes.constantValue);
  },
  Reverse: ({ graph, input, attributes }) => {
    const x = input("x");
    return reverse(graph, x, tf.util.parseAxisParam(attributes.dims, [...x.shape]));
  },
  GatherV2: ({ graph, input, attributes, fail }) => {
    const [x, at] = [input("x"), cast(graph, input("indices"), "int32")];
    const axis = normalAxis(attributes.axis, x.shape.length);
    const batchDims = attributes.batchDims;
    if (batchDims === 0) return gather(graph, x, at, axis);
    if (axis !== batchDims) fail(`with batchDims ${batchDims}, axis must be the same: got ${axis}`, "transpose first");
    // All batches are joined along one long axis, and each batch's indices are shifted to its own part.
    const [batches, rest] = [sizeOf(x.shape.slice(0, axis)), x.shape.slice(axis)];
    const starts = Int32Array.from({ length: batches }, (_, batch) => batch * rest[0]!);
    const column = fromData(graph, "int32", [batches, ...at.shape.slice(batchDims).map(() => 1)], starts);
    const own = reshape(graph, at, [batches, ...at.shape.slice(batchDims)]);
    const rows = reshape(graph, x, [batches * rest[0]!, ...rest.slice(1)]);
    return reshape(graph, gather(graph, rows, binary(graph, "Add", own, column), 0), [...at.shape, ...rest.slice(1)]);
  },
  Range: ({ graph, attributes, elementType }) => {
    const { start, stop, step } = attributes;
    const count = Math.max(0, Math.ceil((stop - start) / step));
    const values = Array.from({ length: count }, (_, index) => start + index * step);
    const integers = elementType() === "int32";
    const data = integers ? Int32Array.from(values) : Float32Array.from(values);
    return fromData(graph, integers ? "int32" : "float32", [values.length], data);
  },
};
