import { Buffer } from "node:buffer";
import { checkNames, startOf, zipEntries } from "../../science/formats/archives.ts";
import { FormatError, refuse } from "../../science/formats/format_error.ts";
import { decodeNpyHeader, type NpyHeader } from "../../science/formats/npy.ts";
import { type Item, type Items, type Labels, labelsOfValues, MOST_ITEMS } from "./items.ts";
import type { DatasetParams } from "./params.ts";
import { itemShape, VALUES } from "./array_form.ts";

const ZIP = "504b";
/** NumPy writes some hundred bytes. */
const MOST_HEADER_BYTES = 1 << 20;
const MOST_ITEM_BYTES = 512 << 20;

/** Types of the numbers of labels. */
const LABELS = { "|u1": Uint8Array, "<u2": Uint16Array, "<i4": Int32Array, "<i8": BigInt64Array } as const;

/** Opens an array in an .npy or .npz, which is read row by row; each row is an item. */
export async function open({ path, ...params }: DatasetParams & { readonly path: string }): Promise<Items> {
  const own = typeof params.labels === "object" ? params.labels : undefined;
  const isZip = await startOf(path) === ZIP;
  const labelColumn = own?.file === undefined ? own?.column ?? (own && "label") : undefined;
  if (!isZip && labelColumn !== undefined) refuse(path, "one array", "labels: { file: … }, an .npy of the labels");
  const array = isZip ? params.column ?? await onlyArray(path, labelColumn) : undefined;
  const header = await openArray(path, array, VALUES);
  await header.bytes.close();
  const [count = 0, ...inner] = header.shape;
  const what = array === undefined ? path : `${path}, ${array}`;
  if (inner.length < 1 || inner.length > 3 || count > MOST_ITEMS || inner.includes(0)) {
    refuse(what, `shape [${header.shape}]`, `[N, H, W, C], [N, H, W] or [N, L], of at most ${MOST_ITEMS} items`);
  }
  const [height, width, channels] = params.shape ?? itemShape(inner);
  const size = height * width * channels;
  const itemBytes = size * header.type.BYTES_PER_ELEMENT;
  if (itemBytes > MOST_ITEM_BYTES) refuse(what, `items of ${itemBytes} bytes`, `at most ${MOST_ITEM_BYTES}`);
  if (size !== inner.reduce((product, side) => product * side, 1)) {
    const fix = "correct shape: it is [height, width, channels] of one item";
    throw new FormatError(what, { got: `items of [${inner}]`, wanted: `[${[height, width, channels]}]`, fix });
  }
  const labels = own && await readLabels(own.file ?? path, labelColumn, count);
  return {
    names: Array.from({ length: count }, (_, row) => `row ${row}`),
    labels,
    broken: new Map(),
    isFitted: false,
    read: (chosen) => readRows(path, array, { chosen, form: { height, width, channels } }),
  };
}

/** Returns the names of the arrays of an npz. */
export async function arraysOf(path: string): Promise<string[]> {
  return Array.from((await sizesIn(path)).keys(), (name) => name.replace(/\.npy$/, ""));
}

const fileOf = (array: string) => `${array}.npy`;

/** Returns the sizes of the files of an npz by their names. @throws FormatError when two have one name */
async function sizesIn(path: string): Promise<ReadonlyMap<string, number>> {
  const entries = await Array.fromAsync(zipEntries(path), ({ name, size }) => [name, size] as const);
  checkNames(path, entries.map(([name]) => name));
  return new Map(entries);
}

/** Returns the array that a user means who names none. */
async function onlyArray(path: string, labels: string | undefined): Promise<string> {
  const names = (await arraysOf(path)).filter((name) => name !== labels);
  const found = names.length === 1 ? names[0] : names.find((name) => name === "arr_0");
  return found ?? refuse(path, `arrays ${names.join(", ") || "none"}`, "column: the name of one of them");
}

async function readLabels(path: string, array: string | undefined, count: number): Promise<Labels | string> {
  const { what, shape, type, bytes } = await openArray<(typeof LABELS)[keyof typeof LABELS]>(path, array, LABELS);
  try {
    if (shape.length !== 1 || shape[0] !== count) refuse(what, `shape [${shape}]`, `[${count}], a label for each item`);
    const data = await bytes.take(count * type.BYTES_PER_ELEMENT);
    if (data === undefined) refuse(what, "a file that is cut off", `${count} labels, as its header declares`);
    if (array !== undefined) await bytes.drain();
    return labelsOfValues(Array.from(new type(data.buffer) as ArrayLike<unknown>), (row) => `row ${row} of ${what}`);
  } finally {
    await bytes.close();
  }
}

async function* readRows(
  path: string,
  array: string | undefined,
  { chosen, form }: { readonly chosen: ArrayLike<number>; readonly form: Pick<Item, "height" | "width" | "channels"> },
): AsyncGenerator<Item> {
  const { what, type, bytes } = await openArray<(typeof VALUES)[keyof typeof VALUES]>(path, array, VALUES);
  try {
    const length = form.height * form.width * form.channels * type.BYTES_PER_ELEMENT;
    for (let [row, next] = [0, 0]; next < chosen.length; row++) {
      const data = await bytes.take(length);
      if (data === undefined) refuse(what, `a file that ends in row ${row}`, "all rows that its header declares");
      if (row !== chosen[next]) continue;
      next++;
      yield { ...form, data: new type(data.buffer) };
    }
    if (array !== undefined) await bytes.drain();
  } finally {
    await bytes.close();
  }
}

/** A type of numbers. */
interface Numbers {
  readonly BYTES_PER_ELEMENT: number;
}

/** Opens an .npy, or an array of an .npz, at its first number. @param types as `decodeNpyHeader` takes them */
export async function openArray<T extends Numbers = NpyHeader["type"]>(
  path: string,
  array: string | undefined,
  types?: Readonly<Record<string, T>>,
) {
  const what = array === undefined ? path : `${path}, ${array}`;
  const size = array === undefined ? (await Deno.stat(path)).size : (await sizesIn(path)).get(fileOf(array));
  if (size === undefined) refuse(path, `no array ${array}`, "the name of an array that is there");
  const bytes = new Taker(piecesOf(path, array));
  try {
    const start = await bytes.take(12) ?? refuse(what, "a file that is cut off", "an npy file");
    const isWide = start[6]! >= 2;
    const length = isWide ? new DataView(start.buffer).getUint32(8, true) + 12 : start[8]! + 256 * start[9]! + 10;
    if (length > MOST_HEADER_BYTES) refuse(what, `a header of ${length} bytes`, `at most ${MOST_HEADER_BYTES}`);
    const rest = await bytes.take(Math.max(0, length - start.length));
    const { shape, type } = decodeNpyHeader(Buffer.concat([start, rest ?? new Uint8Array()]), types);
    const declared = shape.reduce((product, side) => product * side, type.BYTES_PER_ELEMENT);
    if (size !== length + declared) {
      refuse(what, `${size - length} bytes of numbers`, `${declared}, as its header says`);
    }
    return { what, shape, type, bytes };
  } catch (cause) {
    await bytes.close();
    if (!(cause instanceof FormatError)) throw cause;
    throw cause.what.startsWith("npy") ? new FormatError(`${what}: ${cause.what}`, cause) : cause;
  }
}

async function* piecesOf(path: string, array: string | undefined): AsyncGenerator<Uint8Array> {
  if (array === undefined) return yield* (await Deno.open(path)).readable;
  for await (const entry of zipEntries(path)) if (entry.name === fileOf(array)) return yield* entry.stream();
}

/** Takes exact numbers of bytes out of a stream. */
class Taker {
  readonly #pieces: AsyncGenerator<Uint8Array>;
  #left: Uint8Array = new Uint8Array();

  constructor(pieces: AsyncGenerator<Uint8Array>) {
    this.#pieces = pieces;
  }

  /**
   * Memory is taken for what is there, not for what is asked for: a header may declare any size.
   * @returns a copy of its own; undefined if the stream ends before
   */
  async take(length: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const pieces = [this.#left];
    for (let had = this.#left.length; had < length;) {
      const { done, value } = await this.#pieces.next();
      if (done === true) return undefined;
      pieces.push(value);
      had += value.length;
    }
    const all = pieces.length === 1 ? this.#left : Buffer.concat(pieces);
    this.#left = all.subarray(length);
    return new Uint8Array(all.subarray(0, length));
  }

  /** Goes to the end of the stream, where checksums are compared. An .npy has none, and its size is known. */
  async drain(): Promise<void> {
    while (!(await this.#pieces.next()).done) this.#left = new Uint8Array();
  }

  async close(): Promise<void> {
    await this.#pieces.return(undefined);
  }
}
