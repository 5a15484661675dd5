import type { ImageFacts } from "../../artifacts/facts.ts";
import { dtypeOf } from "../../diffusion/normalizer.ts";
import { decodeNpyHeader } from "../../formats/npy.ts";
import { definedOnly } from "../../std/defined_only.ts";
import type { DatasetParams } from "./params.ts";

/** NumPy pads its headers to multiples of 64 bytes, and few are longer. */
const HEADER_BYTES = 4_096;

/** Types of the numbers of items. */
export const VALUES = { "|u1": Uint8Array, "<u2": Uint16Array, "<f4": Float32Array } as const;

/** Returns what the header of an .npy says of its items; type and size are unknown for any other file. */
export function formOfArray(path: string | undefined, shape: DatasetParams["shape"]): ImageFacts {
  const [height, width, channels] = shape ?? [];
  const unknown = definedOnly({ height, width, channels, dtype: null });
  try {
    using file = Deno.openSync(path!);
    const start = new Uint8Array(HEADER_BYTES);
    const { shape: [, ...inner], type } = decodeNpyHeader(start.subarray(0, file.readSync(start) ?? 0), VALUES);
    const [height, width, channels] = shape ?? itemShape(inner);
    const dtype = dtypeOf(new type());
    return { height, width, channels, ...(dtype === "uint8" ? {} : { dtype }) };
  } catch {
    return unknown;
  }
}

/** Returns height, width and channels of items whose axes are these. */
export function itemShape(inner: readonly number[]): [number, number, number] {
  return [[1, inner[0]!, 1], [...inner, 1], inner][inner.length - 1]! as [number, number, number];
}
