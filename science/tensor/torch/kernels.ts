import type { OperationValue, Shape } from "../trace/graph.ts";
import { type Handle, longs, type Torch } from "./library.ts";

/** Parts that the calls of several operations share. */

/** Computes one value from its tensor operands, which stay the caller's. */
export type Run = (operands: readonly Handle[]) => Handle;

/** Prepares the calls for one value, or for several: itself and its parts. */
export type Emit = (
  value: OperationValue,
  torch: Torch,
) => (operands: readonly Handle[], overwrites: readonly boolean[]) => Handle | readonly Handle[];

/** Returns a tensor whose elements are side by side in memory: itself, or a copy. */
export function dense(torch: Torch, x: Handle): Handle {
  return torch.call("aten::contiguous", torch.tensor(x), torch.int(0));
}

/** Marks a tensor to be freed at the end. */
export type Own = (tensor: Handle) => Handle;

/** Frees what `body` marks as its own, whether it returns or throws. */
export function scoped<Results>(torch: Torch, body: (own: Own) => Results): Results {
  const owned: Handle[] = [];
  try {
    return body((tensor) => {
      owned.push(tensor);
      return tensor;
    });
  } finally {
    owned.forEach(torch.free);
  }
}

export function permute(torch: Torch, x: Handle, order: readonly number[]): Handle {
  return torch.kernel("aoti_torch_cpu_permute", x, longs(order), BigInt(order.length));
}

export function reshape(torch: Torch, x: Handle, shape: Shape): Handle {
  return torch.kernel("aoti_torch_cpu_reshape", x, longs(shape), BigInt(shape.length));
}

export function narrow(torch: Torch, x: Handle, axis: number, start: number, count: number): Handle {
  return torch.kernel("aoti_torch_cpu_narrow", x, BigInt(axis), BigInt(start), BigInt(count));
}

const CONSTANT = new TextEncoder().encode("constant\0");

/** @param before numbers of elements for each axis */
export function padded(torch: Torch, x: Handle, before: Shape, after: Shape, value: number): Handle {
  // PyTorch begins with the last axis.
  const counts = longs(before.flatMap((count, axis) => [after[axis]!, count]).reverse());
  return torch.kernel("aoti_torch_cpu_pad", x, counts, BigInt(counts.length), CONSTANT, Float64Array.of(value));
}
