import type { ImageFacts } from "../../artifacts/facts.ts";
import { dtypeOf } from "../../science/diffusion/normalizer.ts";
import { decodeNpyHeader } from "../../science/formats/npy.ts";
import { FormatError } from "../../science/formats/format_error.ts";
import { definedOnly } from "../../std/defined_only.ts";
import type { DatasetParams } from "./params.ts";

/** NumPy pads its headers to multiples of 64 bytes, and few are longer. */
const HEADER_BYTES = 4_096;

/** Types of the numbers of items. */
export const VALUES = { "|u1": Uint8Array, "<u2": Uint16Array, "<f4": Float32Array } as const;

/**
 * Returns what the header of an .npy says of its items, or why it is `refused`; of any other file the type is unknown.
 */
export function formOfArray(
  path: string | undefined,
  shape: DatasetParams["shape"],
): ImageFacts & { readonly refused?: FormatError } {
  let [dtype, form, count]: [ImageFacts["dtype"], DatasetParams["shape"], count?: number] = [null, shape];
  try {
    using file = Deno.openSync(path!);
    const start = new Uint8Array(HEADER_BYTES);
    const header = decodeNpyHeader(start.subarray(0, file.readSync(start) ?? 0), VALUES);
    [dtype, form, count] = [dtypeOf(new header.type()), shape ?? itemShape(header.shape.slice(1)), header.shape[0]];
  } catch (error) {
    // The run reports a file that is no array, which may be an npz.
    if (error instanceof FormatError && ["npy type", "npy order"].includes(error.what)) {
      return { dtype, refused: error };
    }
  }
  const [height, width, channels] = form ?? [];
  return definedOnly({ height, width, channels, dtype, count });
}

/** Returns height, width and channels of items whose axes are these. */
export function itemShape(inner: readonly number[]): [number, number, number] {
  return [[1, inner[0]!, 1], [...inner, 1], inner][inner.length - 1]! as [number, number, number];
}
