import { type ElementType, type Shape, sizeOf } from "../trace/graph.ts";
import type { ConvolutionGeometry } from "../trace/translations/conv_geometry.ts";
import { type Emit, narrow, type Own, padded, permute, reshape, scoped } from "./kernels.ts";
import { type Argument, type Handle, longs, type Torch } from "./library.ts";

/**
 * Convolutions, their gradients, and pools, of images and of volumes. PyTorch names channels before pixels, but keeps
 * them in memory in any order: images that are channels last are passed as they are, with their axes renamed.
 */

/** Returns the orders of axes that rename [N, ...size, C] to [N, C, ...size], and back. */
export function imageOrders(rank: number) {
  const sizes = Array.from({ length: rank }, (_, axis) => axis + 1);
  return { first: [0, rank + 1, ...sizes], last: [0, ...sizes.map((axis) => axis + 1), 1] };
}

/** Padding that is the same before and after each axis is part of a kernel; other padding is added to images first. */
function paddingOf(pads: Shape) {
  const rank = pads.length / 2;
  const [before, after] = [pads.slice(0, rank), pads.slice(rank)];
  const even = before.every((count, axis) => count === after[axis]);
  return { before, after, even, within: even ? before : before.map(() => 0) };
}

/** Prepares a convolution or a gradient of one, as `science/tensor/trace/translations/conv.ts` records them. */
export const convolution: Emit = ({ op, attributes, type }, torch) => {
  const g = attributes as unknown as ConvolutionGeometry;
  const rank = g.kernel.length;
  const order = imageOrders(rank);
  const { before, after, even, within } = paddingOf(g.pads);
  const size = BigInt(rank);
  const [pads, none] = [within, within.map(() => 0)].map(longs) as [BigInt64Array, BigInt64Array];
  const windows = [longs(g.strides), size, pads, size, longs(g.dilations), size];
  const shared: readonly Argument[] = [...windows, 0, none, size, BigInt(g.groups)];
  const padding = [[0, 0, ...before], [0, 0, ...after]] as const;

  /** [N, ...size, C] -> [N, C, ...size], with padding that no kernel adds. */
  const seen = (own: Own, x: Handle) => {
    const image = own(permute(torch, x, order.first));
    return even ? image : own(padded(torch, image, padding[0], padding[1], 0));
  };
  const seenShape = [
    g.input[0]!,
    g.input.at(-1)!,
    ...g.kernel.map((_, axis) => g.input[1 + axis]! + (even ? 0 : before[axis]! + after[axis]!)),
  ];
  const filters = filterLayout(torch, g);
  const gradients = (own: Own, dy: Handle, x: Handle, filter: Handle, mask: readonly number[]) => {
    const operands = [own(permute(torch, dy, order.first)), x, filter, 0n, 0n];
    const name = "aoti_torch_cpu_convolution_backward";
    const results = torch.several(3, name, ...operands, ...shared, Int32Array.from(mask), 3n);
    return results.map((result) => result === 0n ? result : own(result));
  };

  if (op === "forward") {
    return ([x, filter, added]) =>
      scoped(torch, (own) => {
        const bias = added === undefined ? null : BigUint64Array.of(own(reshape(torch, added, g.output.slice(-1))));
        const operands = [seen(own, x!), filters.seen(own, filter!), bias];
        return permute(torch, own(torch.kernel("aoti_torch_cpu_convolution", ...operands, ...shared)), order.last);
      });
  }
  if (op === "filterGradient") {
    return ([x, dy]) =>
      scoped(torch, (own) => {
        const [, gradient] = gradients(own, dy!, seen(own, x!), filters.any(own, type), [0, 1, 0]);
        return filters.shown(own, gradient!);
      });
  }
  return ([dy, filter]) =>
    scoped(torch, (own) => {
      // Only the sizes of the image matter.
      const image = own(torch.empty(type, seenShape, [0, ...order.last.slice(1, -1), 1]));
      let [gradient] = gradients(own, dy!, image, filters.seen(own, filter!), [1, 0, 0]);
      for (let axis = 0; axis < rank && !even; axis++) {
        gradient = own(narrow(torch, gradient!, 2 + axis, before[axis]!, g.input[1 + axis]!));
      }
      return permute(torch, gradient!, order.last);
    });
};

/**
 * Renames filters [...kernel, C, O] to [O, C, ...kernel], and gradients back; or with groups of one channel each
 * [kH, kW, C, M] to [C M, 1, kH, kW].
 */
function filterLayout(torch: Torch, { kernel, filter, groups }: ConvolutionGeometry) {
  const rank = kernel.length;
  const taps = kernel.map((_, axis) => axis);
  const [channels, results] = [filter[rank]!, filter[rank + 1]!];
  const shape = groups === 1 ? [results, channels, ...kernel] : [channels * results, 1, ...kernel];
  const [there, back] = groups === 1
    ? [[rank + 1, rank, ...taps], [...taps.map((axis) => axis + 2), 1, 0]]
    : [[rank, rank + 1, ...taps], [...taps.map((axis) => axis + 2), 0, 1]];
  return {
    seen(own: Own, x: Handle): Handle {
      const renamed = own(permute(torch, x, there));
      return groups === 1 ? renamed : own(reshape(torch, renamed, shape));
    },
    shown(own: Own, gradient: Handle): Handle {
      const whole = groups === 1 ? gradient : own(reshape(torch, gradient, [channels, results, ...kernel]));
      return permute(torch, whole, back);
    },
    /** Returns a filter of which only the sizes matter. */
    any: (own: Own, type: ElementType): Handle =>
      own(torch.empty(type, shape, [0, ...taps.map((axis) => axis + 2), 1])),
  };
}

/** Prepares the mean or maximum over windows of [N, C, ...size]; padding does not count. */
export const pool: Emit = (value, torch) => {
  const { attributes, inputs } = value;
  const { kernel_shape: kernel, strides, pads } = attributes as unknown as Record<
    "kernel_shape" | "strides" | "pads",
    Shape
  >;
  const rank = BigInt(kernel.length);
  const [before, after] = [pads.slice(0, kernel.length), pads.slice(kernel.length)].map((side) => [0, 0, ...side]);
  const isPadded = pads.some((count) => count > 0);
  const place = (own: Own, x: Handle, filler: number) => isPadded ? own(padded(torch, x, before!, after!, filler)) : x;
  const windows = [longs(kernel), rank, longs(strides), rank, longs(kernel.map(() => 0)), rank] as const;
  if (value.op === "MaxPool") {
    const name = `aoti_torch_cpu_max_pool${kernel.length as 2 | 3}d_with_indices` as const;
    return ([x]) =>
      scoped(torch, (own) => {
        const image = place(own, x!, -Infinity);
        const [largest, places] = torch.several(2, name, image, ...windows, longs(kernel.map(() => 1)), rank, 0);
        own(places!);
        return largest!;
      });
  }
  const name = kernel.length === 2 ? "aoti_torch_cpu_avg_pool2d" : "aoti_torch_cpu_avg_pool3d";
  const size = [1, 1, ...inputs[0]!.shape.slice(2)];
  const ones = new Float32Array(sizeOf(size)).fill(1);
  return ([x]) =>
    scoped(torch, (own) => {
      // Numbers of pixels of the image in each window, and sums of these pixels.
      const [counts, sums] = [own(torch.put(ones, "float32", size)), x!].map((image) =>
        torch.kernel(name, place(own, image, 0), ...windows, 0, 1, BigInt64Array.of(1n))
      ) as [Handle, Handle];
      return torch.call("aten::div.Tensor", sums, counts);
    });
};
