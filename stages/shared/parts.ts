import type { InputArtifact, Share, StageContext, StageEnd } from "../../engine/contract/stage.ts";
import { FormatError } from "../../science/formats/format_error.ts";
import { decodeVectors, encodeVectors } from "../../science/formats/vectors.ts";
import type { Device } from "../../science/tensor/mod.ts";
import { withDevice } from "./device.ts";
import { yieldToMessages } from "./macrotask.ts";

/** Items that are computed together. */
export interface Batch {
  /** Index of the batch's first item, among all items. */
  readonly first: number;
  /** Number of items. */
  readonly count: number;
  /** Number of items that this process has computed before the batch. */
  readonly done: number;
  /** Number of items that this process computes in all. */
  readonly total: number;
}

/**
 * The results of a batch: by name, equally many numbers for each item, in the order of the items; or of those names
 * that the work says are further, any numbers, or none.
 */
export type Rows = Readonly<Record<string, Uint8Array | Uint16Array | Int32Array | Float32Array | Float64Array>>;

/** Computes batches independently: the results of one must not depend on those before it. */
export interface BatchWork<R extends Rows> {
  /** Plain data for `finish`; the same in all shares. */
  readonly about?: unknown;
  /** Compute one batch. The next call may change the rows. */
  compute(batch: Batch): R | Promise<R>;
  /** Save what was computed, as the stage is told to stop. Returns the step that it can go on from. */
  save?(): Promise<number>;
  /** Release everything that was opened. */
  close?(): Promise<void>;
}

/** A batch with its results. */
export interface ComputedBatch<R extends Rows> extends Pick<Batch, "first" | "count"> {
  /** The results; valid until the next batch. */
  readonly rows: R;
}

/** Returns the batches of a process: in a share every `of`-th batch, starting at the share's index; else all. */
export function batchesOfShare(
  { count, batchSize }: { readonly count: number; readonly batchSize: number },
  { index, of }: Share = { index: 0, of: 1 },
): Batch[] {
  const batches: Omit<Batch, "total">[] = [];
  let total = 0;
  for (let first = index * batchSize; first < count; first += of * batchSize) {
    batches.push({ first, count: Math.min(batchSize, count - first), done: total });
    total += batches.at(-1)!.count;
  }
  return batches.map((batch) => ({ ...batch, total }));
}

/** Thrown by work that cannot go on, with the end of its stage. */
export class Ended extends Error {
  constructor(readonly end: StageEnd) {
    super(end.status);
  }
}

class PartMismatch extends FormatError {
  constructor(index: number, got: string, wanted: string) {
    super(`part of shard ${index + 1}`, { got, wanted });
  }
}

/**
 * Compute `count` items in batches, as a stage with `shards: true` does. In a share, its batches are computed and
 * become the share's output. Otherwise `finish` makes the stage's outputs from all batches, which are computed here or
 * read from the shares; its rows are the same either way.
 *
 * @param work the names of `further` results may be missing from a batch
 * @param open called once, if this process computes anything
 * @param finish gets the batches in their order; not called in a share
 * @example
 * ```ts ignore
 * run: (context) =>
 *   inParts(context, { count: 1000, batchSize: 10 }, () => Promise.resolve({
 *     compute: ({ first, count }) => ({ squares: Float64Array.from({ length: count }, (_, i) => (first + i) ** 2) }),
 *   }), async (batches) => {
 *     let sum = 0;
 *     for await (const { rows } of batches) for (const square of rows.squares) sum += square;
 *     await context.outputs.sum.write("sum.txt", `${sum}\n`);
 *   }),
 * ```
 */
export async function inParts<R extends Rows>(
  context: Pick<StageContext, "share" | "parts" | "stop">,
  work: { readonly count: number; readonly batchSize: number; readonly further?: readonly string[] },
  open: () => Promise<BatchWork<R> | StageEnd>,
  finish: (batches: AsyncIterable<ComputedBatch<R>>, about: unknown) => Promise<StageEnd | void>,
): Promise<StageEnd | undefined> {
  const { share, parts, stop } = context;
  try {
    if (parts.length > 0) {
      const { about, ...dealing } = await readHead(parts, work.count);
      return await finish(readParts<R>(parts, dealing, work.further), about) ?? undefined;
    }
    const batches = batchesOfShare(work, share);
    // A share without batches opens nothing.
    const opened: BatchWork<R> | StageEnd = batches.length > 0 ? await open() : { compute: () => ({} as R) };
    if ("status" in opened) return opened;
    await using _opened = { [Symbol.asyncDispose]: async () => await opened.close?.() };
    const computed = async function* () {
      for (const batch of batches) {
        if (stop.aborted) throw new Ended({ status: "interrupted", step: await opened.save?.() ?? 0 });
        yield { ...batch, rows: await opened.compute(batch) };
        await yieldToMessages();
      }
    };
    if (share === undefined) return await finish(computed(), opened.about) ?? undefined;
    const { count, batchSize } = work;
    return await writePart(share, JSON.stringify({ count, batchSize, of: share.of, about: opened.about }), computed());
  } catch (error) {
    if (error instanceof Ended) return error.end;
    if (!(error instanceof PartMismatch)) throw error;
    return { status: "failed", message: error.message, fix: "compute its shards again: run with --force STAGE" };
  }
}

/** Computes as `inParts` does, on the stage's device; a process that only joins parts opens none. */
export function inPartsOnDevice<R extends Rows>(
  context: Pick<StageContext, "share" | "parts" | "stop" | "device"> & { readonly params: object },
  work: { readonly count: number; readonly batchSize: number; readonly further?: readonly string[] },
  open: (device: Device) => Promise<BatchWork<R> | StageEnd>,
  finish: (batches: AsyncIterable<ComputedBatch<R>>, about: unknown) => Promise<StageEnd | void>,
): Promise<StageEnd | undefined> {
  const compute = (device?: Device) => inParts(context, work, () => open(device!), finish);
  return context.parts.length > 0 ? compute() : withDevice(context, compute);
}

/** A share's output is read and written in files of about this size, so that memory use does not grow with it. */
const FILE_BYTES = 32 << 20;
const fileOf = (number: number) => `${number}.safetensors`;

/** @param work the description that all shares of one computation share */
async function writePart(
  { part, index }: NonNullable<StageContext["share"]>,
  work: string,
  batches: AsyncIterable<ComputedBatch<Rows>>,
): Promise<undefined> {
  let [files, bytes] = [0, 0];
  let vectors: Record<string, Rows[string]> = {};
  const flush = async () => {
    await part.write(fileOf(files++), encodeVectors(vectors, { work, index: `${index}` }));
    [vectors, bytes] = [{}, 0];
  };
  for await (const { first, rows } of batches) {
    for (const [name, data] of Object.entries(rows)) {
      vectors[`${first} ${name}`] = data.slice();
      bytes += data.byteLength;
    }
    if (bytes >= FILE_BYTES) await flush();
  }
  if (bytes > 0 || files === 0) await flush();
}

/** Reads one file of a share's output. @throws PartMismatch if there is none */
async function readFile(parts: readonly InputArtifact[], index: number, number: number) {
  try {
    const { vectors, metadata: { work = "", index: own } } = decodeVectors(await parts[index]!.read(fileOf(number)));
    if (own !== `${index}`) throw new PartMismatch(index, `part ${own}`, `part ${index}`);
    return { vectors, work, head: JSON.parse(work) };
  } catch (error) {
    throw error instanceof PartMismatch ? error : new PartMismatch(index, (error as Error).message, fileOf(number));
  }
}

/** Reads the description of the work from the first share, which always has batches. */
async function readHead(parts: readonly InputArtifact[], count: number) {
  const { work, head: { batchSize, about, ...head } } = await readFile(parts, 0, 0);
  if (head.count === count && head.of === parts.length && batchSize >= 1) return { work, count, batchSize, about };
  throw new PartMismatch(0, `${head.count} items, 1 part of ${head.of}`, `${count} items, 1 part of ${parts.length}`);
}

/** Yields the batches of one share in their order. */
async function* readPart(parts: readonly InputArtifact[], index: number, work: string) {
  for (let number = 0;; number++) {
    const file = await readFile(parts, index, number);
    if (file.work !== work) throw new PartMismatch(index, file.work, work);
    const batches = Map.groupBy(Object.entries(file.vectors), ([name]) => parseInt(name));
    for (const [first, own] of [...batches].sort(([a], [b]) => a - b)) {
      yield { first, rows: Object.fromEntries(own.map(([name, data]) => [name.replace(/^\d+ /, ""), data])) };
    }
  }
}

/** Yields all batches in their order, each from its share. */
async function* readParts<R extends Rows>(
  parts: readonly InputArtifact[],
  dealing: { readonly work: string; readonly count: number; readonly batchSize: number },
  further: readonly string[] = [],
): AsyncGenerator<ComputedBatch<R>> {
  const sources = parts.map((_, index) => readPart(parts, index, dealing.work));
  let columns: string | undefined;
  for (const [number, { first, count }] of batchesOfShare(dealing).entries()) {
    const index = number % parts.length;
    const { first: found, rows } = (await sources[index]!.next()).value!;
    const got = Object.keys(rows).filter((name) => !further.includes(name)).sort().map((name) =>
      `${name} ${rows[name]!.length / count} ${rows[name]!.constructor.name}`
    ).join();
    columns ??= got;
    if (found !== first || got !== columns) throw new PartMismatch(index, `${found}: ${got}`, `${first}: ${columns}`);
    yield { first, count, rows: rows as R };
  }
}
