import { createHash } from "node:crypto";
import type { StageEnd } from "../../engine/contract/stage.ts";
import type { DatasetContext } from "./kind.ts";

export type SplitName = "train" | "test";

export interface Split {
  /** [N, side, side, channels] row-major. */
  readonly pixels: Uint8Array<ArrayBuffer>;
  /** [N] */
  readonly labels?: Uint8Array<ArrayBuffer>;
}

/** A data set that a source gives. */
interface Dataset extends Record<SplitName, Split> {
  /** Returns the origin of a split, in readable form. */
  readonly source: (split: SplitName) => Readonly<Record<string, unknown>>;
}

/**
 * Reads a source, or returns how the stage ends without it.
 * @throws FormatError for files that are not what they should be
 */
export type ReadDataset = (context: DatasetContext) => Promise<Dataset | StageEnd>;

/**
 * Splits items by the SHA-256 of their names: those with the smallest digests are held out, the next ones are kept. An
 * item's split hardly depends on which other items there are, and not at all on order, seed or `limit`, so that results
 * stay comparable.
 *
 * @param names all different @param limit maximum number of items to use
 * @returns indices into `names`, in the order of the digests
 */
export function splitByHash(
  names: readonly string[],
  { testCount, limit = Infinity }: { readonly testCount: number; readonly limit?: number | undefined },
) {
  const digestOf = (name: string) => createHash("sha256").update(name).digest("hex");
  // The first 13 of 64 digits fit a number, which takes a tenth of the memory; the rest decides between equal ones.
  const starts = Float64Array.from(names, (name) => Number.parseInt(digestOf(name).slice(0, 13), 16));
  const order = names.map((_, index) => index).sort((a, b) =>
    starts[a]! - starts[b]! || (digestOf(names[a]!) < digestOf(names[b]!) ? -1 : 1)
  );
  return { train: order.slice(testCount, limit), test: order.slice(0, testCount) };
}
