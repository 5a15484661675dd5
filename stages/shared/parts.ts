import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { InputArtifact, Shard, StageContext, StageEnd } from "../../contract/stage.ts";
import { FormatError } from "../../formats/format_error.ts";
import { readAt } from "../../formats/read_at.ts";
import { yieldToMessages } from "./macrotask.ts";

/** Items that are computed together. */
export interface Batch {
  /** The first of them, among all. */
  readonly first: number;
  /** How many they are. */
  readonly count: number;
  /** Items that this process has computed before them. */
  readonly done: number;
  /** Items that this process computes in all. */
  readonly total: number;
}

/** What comes of a batch: by name as many numbers for each item, in the order of the items. */
export type Rows = Readonly<Record<string, Uint8Array | Int32Array | Float32Array | Float64Array>>;

/** Computes batches, each for itself: what comes of one must not depend on those before it. */
export interface BatchWork<R extends Rows> {
  /** Plain data that `finish` wants to know; the same in all shards. */
  readonly about?: unknown;
  /** Compute one batch. The rows may be changed by the next call. */
  compute(batch: Batch): R | Promise<R>;
  /** Let go of what was opened. */
  close?(): Promise<void>;
}

/** A batch with what came of it. */
export interface ComputedBatch<R extends Rows> extends Pick<Batch, "first" | "count"> {
  /** What came of it; valid until the next batch. */
  readonly rows: R;
}

/** The batches of a process: of a shard every `of`-th from its own on, else all. */
export function dealOut(
  { count, batchSize }: { readonly count: number; readonly batchSize: number },
  { index, of }: Shard = { index: 0, of: 1 },
): Batch[] {
  const batches: Omit<Batch, "total">[] = [];
  let total = 0;
  for (let first = index * batchSize; first < count; first += of * batchSize) {
    batches.push({ first, count: Math.min(batchSize, count - first), done: total });
    total += batches.at(-1)!.count;
  }
  return batches.map((batch) => ({ ...batch, total }));
}

class Stopped extends Error {}

/**
 * Compute `count` items in batches, as a stage with `shards: true` does: in a shard the batches of that shard, which
 * become its part; else all of them, or those that the shards have computed, which `finish` makes the outputs of. Both
 * ways give `finish` the same rows.
 *
 * @param open called once, where this process computes anything
 * @param finish given the batches in their order; not called in a shard
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
  context: Pick<StageContext, "shard" | "parts" | "stop">,
  work: { readonly count: number; readonly batchSize: number },
  open: () => Promise<BatchWork<R> | StageEnd>,
  finish: (batches: AsyncIterable<ComputedBatch<R>>, about: unknown) => Promise<StageEnd | void>,
): Promise<StageEnd | undefined> {
  const { shard, parts, stop } = context;
  if (parts.length > 0) {
    const opened = await openParts(parts, work.count);
    if ("status" in opened) return opened;
    return await finish(readParts<R>(parts, opened), opened.about) ?? undefined;
  }
  const batches = dealOut(work, shard);
  const opened = shard !== undefined && batches.length === 0 ? undefined : await open();
  if (opened !== undefined && "status" in opened) return opened;
  const computed = computeBatches(batches, opened, stop);
  try {
    if (shard === undefined) return await finish(computed, opened!.about) ?? undefined;
    await writePart(shard, { ...work, about: opened?.about }, computed);
    return undefined;
  } catch (error) {
    if (error instanceof Stopped) return { status: "interrupted", step: 0 };
    throw error;
  } finally {
    await opened?.close?.();
  }
}

async function* computeBatches<R extends Rows>(
  batches: readonly Batch[],
  work: BatchWork<R> | undefined,
  stop: AbortSignal,
): AsyncGenerator<ComputedBatch<R>> {
  for (const batch of batches) {
    if (stop.aborted) throw new Stopped();
    yield { ...batch, rows: await work!.compute(batch) };
    await yieldToMessages();
  }
}

const INFO_FILE = "part.json";
/** What describes a part is small; whatever a cache hands out, no more is read. */
const MAX_INFO_BYTES = 1 << 20;

const TYPES = { u8: Uint8Array, i32: Int32Array, f32: Float32Array, f64: Float64Array };
const typeNames = Object.keys(TYPES) as (keyof typeof TYPES)[];

const infoSchema = z.strictObject({
  index: z.int().min(0),
  of: z.int().min(1),
  count: z.int().min(1),
  batchSize: z.int().min(1),
  /** Type of the numbers and how many each item has, by name; none where the part has no items. */
  columns: z.record(
    z.string().regex(/^[A-Za-z]\w{0,63}$/),
    z.strictObject({ type: z.enum(typeNames), width: z.int().min(0).max(2 ** 31) }),
  ),
  about: z.unknown(),
});

type PartInfo = z.output<typeof infoSchema>;

/** Rows go to a file for each name as they come, so that memory does not grow with their number. */
async function writePart(
  { part, index, of }: NonNullable<StageContext["shard"]>,
  { count, batchSize, about = null }: { readonly count: number; readonly batchSize: number; readonly about?: unknown },
  batches: AsyncIterable<ComputedBatch<Rows>>,
): Promise<void> {
  const columns: PartInfo["columns"] = {};
  for await (const batch of batches) {
    for (const [name, numbers] of Object.entries(batch.rows)) {
      const { buffer, byteOffset, byteLength } = numbers;
      const type = typeNames.find((one) => numbers instanceof TYPES[one])!;
      columns[name] ??= { type, width: numbers.length / batch.count };
      const bytes = new Uint8Array(buffer, byteOffset, byteLength);
      await Deno.writeFile(join(part.folder, `${name}.bin`), bytes, { append: true });
    }
  }
  const info = infoSchema.parse({ index, of, count, batchSize, columns, about });
  await part.write(INFO_FILE, JSON.stringify(info));
}

/** What the parts have in common, or how the stage ends where they are not those of one work. */
async function openParts(parts: readonly InputArtifact[], count: number): Promise<PartInfo | StageEnd> {
  try {
    let first: PartInfo | undefined;
    for (const [index, part] of parts.entries()) {
      const info = await readInfo(part, index);
      const items = dealOut(info, { index, of: parts.length }).at(-1)?.total ?? 0;
      first ??= info;
      const { batchSize } = first;
      // A part without items knows neither columns nor what they are about.
      const { columns, about } = items === 0 ? { columns: {}, about: null } : first;
      const wanted = { index, of: parts.length, count, batchSize, columns, about };
      if (!isDeepStrictEqual(info, wanted)) throw misfit(index, JSON.stringify(info), JSON.stringify(wanted));
      for (const [name, { type, width }] of Object.entries(columns)) {
        const [got, bytes] = [sizeOf(part, `${name}.bin`), items * width * TYPES[type].BYTES_PER_ELEMENT];
        if (got !== bytes) throw misfit(index, `${got ?? 0} bytes of ${name}`, `${bytes}`);
      }
    }
    return first!;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { status: "failed", message: error.message, fix: "compute the shards again: run with --force STAGE" };
  }
}

async function readInfo(part: InputArtifact, index: number): Promise<PartInfo> {
  if ((sizeOf(part, INFO_FILE) ?? Infinity) > MAX_INFO_BYTES) throw misfit(index, `no ${INFO_FILE}`, "a small one");
  try {
    return infoSchema.parse(JSON.parse(await part.readText(INFO_FILE)));
  } catch (error) {
    throw misfit(index, `a broken ${INFO_FILE}: ${(error as Error).message}`, "what a shard writes");
  }
}

function sizeOf({ files }: InputArtifact, name: string): number | undefined {
  return files.find(({ path }) => path === name)?.size;
}

function misfit(index: number, got: string, wanted: string): FormatError {
  const short = (text: string) => text.length > 300 ? `${text.slice(0, 300)}…` : text;
  return new FormatError(`part of shard ${index + 1}`, { got: short(got), wanted: short(wanted) });
}

/** All batches in their order, each from the part that it is in. */
async function* readParts<R extends Rows>(parts: readonly InputArtifact[], info: PartInfo) {
  for (const [number, { first, count }] of dealOut(info).entries()) {
    const part = parts[number % parts.length]!;
    // Only the last of all batches may be smaller, so those before it in this part are whole.
    const before = Math.floor(number / parts.length) * info.batchSize;
    const rows: Record<string, Rows[string]> = {};
    for (const [name, { type, width }] of Object.entries(info.columns)) {
      const numbers = new TYPES[type](count * width);
      using file = await Deno.open(part.path(`${name}.bin`));
      await readAt(file, before * width * numbers.BYTES_PER_ELEMENT, new Uint8Array(numbers.buffer));
      rows[name] = numbers;
    }
    yield { first, count, rows: rows as R };
    await yieldToMessages();
  }
}
