/**
 * Files of a few kilobytes, or with one long line, that stand for gigabytes: for each reader of data the cap that
 * refuses them. Run with the name of a case and a folder that has its file: prints what was said of the file, and how
 * far the memory rose.
 *
 * @module
 */
import { encode } from "fast-png";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { crc32, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { momentsOf } from "../../../artifacts/statistics.ts";
import { FormatError } from "../../../science/formats/format_error.ts";
import { encodeNpy } from "../../../science/formats/npy.ts";
import { read as readCifar } from "../../../stages/dataset/cifar.ts";
import { open as openFiles } from "../../../stages/dataset/files.ts";
import { decodeImage } from "../../../stages/dataset/image_files.ts";
import type { Items } from "../../../stages/dataset/items.ts";
import { labelsOfTable } from "../../../stages/dataset/labels.ts";
import { open as openNumpy } from "../../../stages/dataset/numpy.ts";
import { open as openParquet } from "../../../stages/dataset/parquet.ts";
import { chunksOf, headerChunk, joinChunks } from "../png_files.ts";
import { makeTar } from "../tar.ts";

const MIB = 1 << 20;

export interface Capped {
  /** The file's name, with the extension by which it is read. */
  readonly file: string;
  readonly make: () => Uint8Array;
  readonly open: (path: string) => Promise<unknown>;
  /** The words that refuse the file. */
  readonly said: RegExp;
  /** The most memory that reading may take, besides what any program takes. */
  readonly mostMiB: number;
}

/** Reads all items; returns what is wrong with the first that cannot be read. */
async function firstFault(items: Items): Promise<string | undefined> {
  if (typeof items.labels === "string") return items.labels;
  for (const fault of items.broken.values()) return fault;
  for await (const item of items.read(items.names.map((_, i) => i))) if (typeof item === "string") return item;
  return undefined;
}

interface ZipFile {
  readonly name: string;
  readonly content: Uint8Array;
  /** The size that the zip states, if it is not that of the content. */
  readonly size?: number;
}

function makeZip({ name, content, size = content.length }: ZipFile): Uint8Array {
  const [packed, path] = [deflateRawSync(content, { level: 1 }), Buffer.from(name)];
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(8, 4);
  fields.writeUInt32LE(crc32(content), 10);
  fields.writeUInt32LE(packed.length, 14);
  fields.writeUInt32LE(size, 18);
  fields.writeUInt16LE(path.length, 22);
  const local = Buffer.concat([Buffer.from("PK\x03\x04"), fields, path, packed]);
  const directory = Buffer.concat([Buffer.from("PK\x01\x02\x14\x00"), fields, Buffer.alloc(14), path]);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(1, 4);
  end.writeUInt16LE(1, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(local.length, 12);
  return Buffer.concat([local, directory, Buffer.from("PK\x05\x06"), end]);
}

const zip = (said: RegExp, mostMiB: number, make: () => ZipFile, labels?: { readonly column: string }): Capped => ({
  file: "some.zip",
  make: () => makeZip(make()),
  open: async (path) => await firstFault(await openFiles([path], { source: "zip", labels })),
  said,
  mostMiB,
});
const tar = (said: RegExp, mostMiB: number, name: string, content: () => Uint8Array, labels?: { column: string }) => ({
  file: "some.tar.gz",
  make: () => gzipSync(makeTar([{ name, content: content() }]), { level: 1 }),
  open: async (path: string) => await firstFault(await openFiles([path], { source: "tar", labels })),
  said,
  mostMiB,
});
const table = (file: string, said: RegExp, mostMiB: number, text: () => string): Capped => ({
  file,
  make: () => Buffer.from(text()),
  open: (path) => labelsOfTable(path, {}, ["a.png"]),
  said,
  mostMiB,
});
const image = (said: RegExp, mostMiB: number, make: () => Uint8Array): Capped => ({
  file: "some.png",
  make,
  open: async (path) => await decodeImage(await Deno.readFile(path)),
  said,
  mostMiB,
});
/** A file of one number whose header tells another shape. */
function npyOf(shape: readonly number[]): Uint8Array {
  const bytes = encodeNpy({ shape: [1], data: new Float32Array(1) });
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(", ")},), }`;
  bytes.set(new TextEncoder().encode(text.padEnd(bytes.length - 4 - 10)), 10);
  return bytes;
}
const numpy = (said: RegExp, shape: readonly number[], headerBytes?: number): Capped => ({
  file: "some.npy",
  make() {
    const bytes = npyOf([1]);
    if (headerBytes === undefined) return npyOf(shape);
    const wide = Buffer.concat([bytes.subarray(0, 6), Buffer.from([2, 0]), Buffer.alloc(4), bytes.subarray(10)]);
    wide.writeUInt32LE(headerBytes, 8);
    return wide;
  },
  open: async (path) => await firstFault(await openNumpy({ source: "numpy", path })),
  said,
  mostMiB: 16,
});

/** A value of Thrift's compact protocol: i32, i64, binary, list, or a struct by the numbers of its fields. */
type Thrift = number | bigint | string | readonly Thrift[] | { readonly [id: number]: Thrift };

function varint(value: bigint): number[] {
  return value < 128n ? [Number(value)] : [Number(value & 127n) | 128, ...varint(value >> 7n)];
}
const typeOf = (value: Thrift) =>
  typeof value === "number"
    ? 5
    : typeof value === "bigint"
    ? 6
    : typeof value === "string"
    ? 8
    : Array.isArray(value)
    ? 9
    : 12;
function thrift(value: Thrift): number[] {
  if (typeof value === "number" || typeof value === "bigint") return varint(BigInt(value) << 1n);
  if (typeof value === "string") return [...varint(BigInt(value.length)), ...Buffer.from(value)];
  if (Array.isArray(value)) return [value.length << 4 | typeOf(value[0]!), ...value.flatMap(thrift)];
  let last = 0;
  const fields = Object.entries(value as object).flatMap(([id, field]) => {
    const delta = Number(id) - last;
    last = Number(id);
    return [delta << 4 | typeOf(field), ...thrift(field)];
  });
  return [...fields, 0];
}

interface Page {
  readonly rows: number;
  /** Bytes of nothing in the file, which let it have more rows. */
  readonly padding?: number;
  readonly values?: number;
  readonly unpacked?: number;
  readonly run?: number;
}

/** A column `image: { bytes }` of one group and one page, whose definition levels are one run of nulls. */
const parquet = (said: RegExp, mostMiB: number, { rows, padding = 0, values = rows, unpacked, run = rows }: Page) => ({
  file: "some.parquet",
  make() {
    const levels = [...varint(BigInt(run) << 1n), 0];
    const body = [levels.length, 0, 0, 0, ...levels];
    const header = { 1: 0, 2: unpacked ?? body.length, 3: body.length, 5: { 1: values, 2: 0, 3: 3, 4: 3 } };
    const page = [...thrift(header), ...body];
    const start = BigInt(4 + padding);
    const size = BigInt(page.length);
    const column = {
      1: 6,
      2: [0],
      3: ["image", "bytes"],
      4: unpacked ? 1 : 0,
      5: BigInt(values),
      6: size,
      7: size,
      9: start,
    };
    const schema = [{ 4: "schema", 5: 1 }, { 3: 1, 4: "image", 5: 1 }, { 1: 6, 3: 1, 4: "bytes" }];
    const groups = [{ 1: [{ 2: start, 3: column }], 2: size, 3: BigInt(rows) }];
    const footer = thrift({ 1: 2, 2: schema, 3: BigInt(rows), 4: groups });
    const length = Buffer.alloc(4);
    length.writeUInt32LE(footer.length);
    const magic = Buffer.from("PAR1");
    return Buffer.concat([magic, Buffer.alloc(padding), Uint8Array.from(page), Uint8Array.from(footer), length, magic]);
  },
  open: async (path: string) => await firstFault(await openParquet([path], { source: "parquet" })),
  said,
  mostMiB,
});

const tinyPng = () => encode({ width: 1, height: 1, channels: 1, data: Uint8Array.of(1) });
const pngOf = (packed: Uint8Array, width = 1, height = 1) =>
  joinChunks([
    headerChunk(width, height, [8, 0, 0, 0, 0]),
    { type: "IDAT", content: packed },
    ...chunksOf(tinyPng()).slice(-1),
  ]);
const zeros = (mib: number) => new Uint8Array(mib * MIB);
const line = (mib: number) => "x".repeat(mib * MIB);

export const CAPPED: Readonly<Record<string, Capped>> = {
  "zip, a large image": zip(/at most 536870912/, 16, () => ({ name: "a.png", content: tinyPng(), size: 2 ** 30 })),
  "zip, an image that unpacks": zip(/packed bytes/, 560, () => ({ name: "a.png", content: pngOf(zeros(500)) })),
  "zip, a table": zip(/at most 134217728/, 16, () => ({ name: "dataset.json", content: zeros(1), size: 2 ** 30 })),
  "zip, a label": zip(/at most 1024/, 16, () => ({ name: "a.cls", content: zeros(1) })),
  "zip, a label in JSON": zip(/a label of .* characters, wanted at most 1024/, 16, () => {
    return { name: "a.json", content: Buffer.from(JSON.stringify({ kind: "x".repeat(MIB / 2) })) };
  }, { column: "kind" }),
  "tar, a large image": tar(/at most 536870912/, 128, "a.png", () => zeros(513)),
  "tar, an image that unpacks": tar(/packed bytes/, 620, "a.png", () => pngOf(zeros(500))),
  "tar, a label": tar(/at most 1024/, 64, "a.cls", () => zeros(64)),
  "npy, a header": numpy(/a header of/, [1], 2 ** 31),
  "npz, an item": {
    file: "some.npz",
    make: () =>
      makeZip({
        name: "arr_0.npy",
        content: Buffer.concat([npyOf([1, 12_000, 12_000]), new Uint8Array(4 * 12_000 ** 2 - 4)]),
      }),
    open: async (path) => await firstFault(await openNumpy({ source: "numpy", path })),
    said: /items of 576000000 bytes, wanted at most 536870912/,
    mostMiB: 16,
  },
  "npy, items": numpy(/wanted 8589934592, as its header says/, [2 ** 31, 1]),
  "npz, statistics": {
    file: "some.npz",
    make: () =>
      makeZip({ name: "mu.npy", content: encodeNpy({ shape: [64 * MIB], data: new Float64Array(64 * MIB) }) }),
    open: async (path) => await momentsOf(await Deno.readFile(path)),
    said: /at most/,
    mostMiB: 16,
  },
  "parquet, rows": parquet(/10000000 rows in \d+ bytes/, 16, { rows: 10_000_000 }),
  "parquet, a group": parquet(/a group of 9000000 rows/, 16, { rows: 9_000_000, padding: 9_000_000 }),
  "parquet, a page's values": parquet(/1000000000 values in a group/, 16, { rows: 10, values: 1e9 }),
  "parquet, a page's bytes": parquet(/in 2147483647 bytes/, 16, { rows: 10, unpacked: 2 ** 31 - 1 }),
  "csv, a line": table("some.csv", /line 2: got \d+ bytes/, 110, () => `file_name,label\n${line(100)},1\n`),
  "csv, a quoted line": table("some.csv", /line 2: got \d+ bytes/, 110, () => `file_name,label\n"${line(100)}",1\n`),
  "jsonl, a line": table("some.jsonl", /line 1: got \d+ bytes/, 110, () => `{"file_name":"${line(100)}"}\n`),
  "json, a table": table("some.json", /at most 134217728/, 16, () => `{"labels":[["${line(130)}",1]]}`),
  "png, pixels": image(/PNG size/, 16, () => pngOf(zeros(1), 65_000, 65_000)),
  "png, rows": image(/PNG/, 32, () => pngOf(deflateSync(zeros(400), { level: 1 }))),
  "jpeg, pixels": image(/JPEG|pixels/, 16, () => {
    // A start of frame of 65,535 x 65,535 pixels, and no more.
    return Uint8Array.of(
      255,
      216,
      255,
      192,
      0,
      11,
      8,
      255,
      255,
      255,
      255,
      1,
      1,
      17,
      0,
      255,
      218,
      0,
      8,
      1,
      1,
      0,
      0,
      63,
      0,
      1,
      255,
      217,
    );
  }),
  "cifar, an archive": {
    file: "some.tar.gz",
    make: () => gzipSync(makeTar([{ name: "other.bin", content: zeros(300) }]), { level: 1 }),
    open: async (path) =>
      await readCifar({ params: { path, source: "cifar-10" } } as unknown as Parameters<typeof readCifar>[0]),
    said: /268435456|256 MiB|unpacks/,
    mostMiB: 64,
  },
};

function kilobytes(name: string): number {
  return Number(new RegExp(`${name}:\\s+(\\d+)`).exec(Deno.readTextFileSync("/proc/self/status"))![1]);
}

/** Reads the file of a case; returns what was said of it, and how many bytes the memory rose. */
async function readCapped(name: string, folder: string) {
  const { file, open } = CAPPED[name]!;
  Deno.writeTextFileSync("/proc/self/clear_refs", "5");
  const before = kilobytes("VmRSS");
  let said;
  try {
    said = String(await open(join(folder, file)));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    said = error.message;
  }
  return { said, rose: (kilobytes("VmHWM") - before) * 1024 };
}

// deno-lint-ignore no-console
if (import.meta.main) console.log(JSON.stringify(await readCapped(Deno.args[0]!, Deno.args[1]!)));
