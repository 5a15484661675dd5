/**
 * Opens mutated archives, arrays, tables and Parquet files as `dataset` does, in a separate process. Prints what was
 * thrown besides FormatError, how many files gave values and how many one error, and how far the memory rose. Run with
 * the name of a source and the number of mutations, and with `--v8-flags=--expose-gc`.
 *
 * @module
 */
import fc from "fast-check";
import { join } from "node:path";
import { deflateSync, inflateSync } from "node:zlib";
import { encode } from "fast-png";
import { FormatError } from "../../../science/formats/format_error.ts";
import { open as openFiles } from "../../../stages/dataset/files.ts";
import { decodeImage } from "../../../stages/dataset/image_files.ts";
import type { Items } from "../../../stages/dataset/items.ts";
import { labelsOfTable } from "../../../stages/dataset/labels.ts";
import { open as openNumpy } from "../../../stages/dataset/numpy.ts";
import { open as openParquet } from "../../../stages/dataset/parquet.ts";
import { chunksOf, joinChunks } from "../png_files.ts";

const GOLDEN = new URL("../../golden/sources/", import.meta.url).pathname;

export interface Outcomes {
  readonly values: number;
  readonly refused: number;
  /** Errors of other kinds, with the mutation. */
  readonly thrown: readonly string[];
  /** Peak memory in bytes above the level before the first file. */
  readonly rose: number;
  /** The number of files that were left open. */
  readonly leftOpen: number;
}

type Open = (path: string) => Promise<unknown>;
/** The bytes that are mutated, the end of the file's name, how the file is opened, and how it is made of the bytes. */
type Case = readonly [Uint8Array, string, Open, ((bytes: Uint8Array) => Uint8Array)?];

/** Reads all items, and returns how many could be read. */
async function readAll(items: Items): Promise<number> {
  if (typeof items.labels === "string") throw new FormatError("labels", { got: items.labels, wanted: "others" });
  let count = 0;
  for await (const item of items.read(items.names.map((_, i) => i))) if (typeof item !== "string") count++;
  return count;
}

const files = (source: "zip" | "tar", labels?: { readonly column: string }): Open => async (path) => {
  return await readAll(await openFiles([path], { source, labels }));
};
const numpy = (params: { readonly column?: string; readonly labels?: { readonly column: string } }): Open => {
  return async (path) => await readAll(await openNumpy({ source: "numpy", path, ...params }));
};
const table = (text: string, extension: string): Case => [
  new TextEncoder().encode(text),
  extension,
  async (path) => {
    const labels = await labelsOfTable(path, {}, ["a.png", "b/c.png"]);
    if (typeof labels === "string") throw new FormatError("table", { got: labels, wanted: "others" });
  },
];
const golden = (name: string, open: Open): Case => {
  return [Deno.readFileSync(join(GOLDEN, name)), name.replace(/^.*?\./, "."), open];
};
const HEADER_BYTES = 13;
const levels = Uint16Array.from({ length: 6 * 5 * 4 }, (_, i) => i * 547);

/** For each source: files that it reads, and how. */
const SOURCES: Readonly<Record<string, () => readonly Case[]>> = {
  zip: () => [golden("folders.zip", files("zip")), golden("edm.zip", files("zip"))],
  tar: () => [
    golden("shard-000000.tar", files("tar")),
    golden("shard-000000.tar", files("tar", { column: "kind" })),
    golden("folders.tar.gz", files("tar")),
  ],
  npy: () => [golden("images.npy", numpy({})), golden("deep.npy", numpy({}))],
  npz: () => [
    golden("arrays.npz", numpy({ column: "x", labels: { column: "y" } })),
    golden("points.npz", numpy({ labels: { column: "arr_1" } })),
  ],
  parquet: () =>
    ["train-00000", "train-00001"].map((name) =>
      golden(`parquet/${name}.parquet`, async (path) => await readAll(await openParquet([path], { source: "parquet" })))
    ),
  table: () => [
    table('file_name,label\na.png,3\nb/c.png,"two, words"\n', ".csv"),
    table('{"file_name":"a.png","label":3}\n{"file_name":"b/c.png","label":4}\n', ".jsonl"),
    table('{"labels":[["a.png",3],["b/c.png",4]]}', ".json"),
  ],
  png: () =>
    [1, 2, 3, 4].map((channels) => {
      const data = levels.subarray(0, 30 * channels);
      const open: Open = async (path) => {
        const image = await decodeImage(await Deno.readFile(path));
        if (typeof image === "string") throw new FormatError("image", { got: image, wanted: "another" });
      };
      const [header, idat] = chunksOf(encode({ width: 6, height: 5, channels, depth: 16, data }));
      // Checksums are right and rows are packed, so that mutations come as far as the decoders.
      const pack = (bytes: Uint8Array) =>
        joinChunks([
          { ...header!, content: bytes.subarray(0, HEADER_BYTES) },
          { ...idat!, content: deflateSync(bytes.subarray(HEADER_BYTES)) },
          { type: "IEND", content: new Uint8Array() },
        ]);
      return [Uint8Array.from([...header!.content, ...inflateSync(idat!.content)]), ".png", open, pack] as const;
    }),
};

const edit = fc.record({
  kind: fc.constantFrom("byte", "byte", "bit", "large", "zeros", "cut", "gone", "twice", "swap"),
  at: fc.nat(2 ** 31 - 1),
  to: fc.nat(2 ** 31 - 1),
  value: fc.nat(255),
});

type Edit = typeof edit extends fc.Arbitrary<infer E> ? E : never;

function mutate(bytes: Uint8Array, { kind, at, to, value }: Edit): Uint8Array {
  if (bytes.length === 0) return bytes;
  const [from, other, length] = [at % bytes.length, to % bytes.length, 1 + to % 40];
  const out = bytes.slice();
  if (kind === "byte") out[from] = value;
  if (kind === "bit") out[from]! ^= 1 << value % 8;
  if (kind === "large") out.fill(255, from, from + 1 + to % 8);
  if (kind === "zeros") out.fill(0, from, from + length);
  if (kind === "cut") return out.subarray(0, from);
  if (kind === "gone") return Uint8Array.from([...out.subarray(0, from), ...out.subarray(from + length)]);
  if (kind === "twice") return Uint8Array.from([...out.subarray(0, from + length), ...out.subarray(from)]);
  if (kind === "swap") out.copyWithin(from, other, other + length);
  return out;
}

function kilobytes(name: string): number {
  return Number(new RegExp(`${name}:\\s+(\\d+)`).exec(Deno.readTextFileSync("/proc/self/status"))![1]);
}

function openFilesIn(folder: string): number {
  const links = [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`);
    } catch {
      // The one of the list itself.
      return "";
    }
  });
  return links.filter((link) => link.startsWith(folder)).length;
}

async function tryAll(source: string, count: number): Promise<Outcomes> {
  const cases = SOURCES[source]!();
  const folder = await Deno.makeTempDir();
  let [values, refused, before] = [0, 0, 0];
  const thrown: string[] = [];
  const mutations = fc.sample(fc.array(edit, { minLength: 1, maxLength: 3 }), { numRuns: count, seed: 7 });
  try {
    for (const [i, edits] of [[], ...mutations].entries()) {
      // Modules are loaded, and memory is taken for the first time, by files that are whole.
      for (
        const [bytes, extension, read, pack = (same: Uint8Array) => same] of i === 0
          ? cases
          : [cases[i % cases.length]!]
      ) {
        const path = join(folder, `mutated${extension}`);
        await Deno.writeFile(path, pack(edits.reduce(mutate, bytes)));
        try {
          await read(path);
          values++;
        } catch (error) {
          if (error instanceof FormatError) refused++;
          else thrown.push(`${i}, ${JSON.stringify(edits)}: ${error instanceof Error ? error.stack : String(error)}`);
        }
      }
      // Garbage says nothing about what a reader holds.
      if (i % 20 === 0) (globalThis as unknown as { gc(): void }).gc();
      if (i > 0) continue;
      if (refused > 0 || thrown.length > 0) throw new Error(`a whole file of ${source} is refused: ${thrown}`);
      Deno.writeTextFileSync("/proc/self/clear_refs", "5");
      before = kilobytes("VmRSS");
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  // A reader may close its file a moment after it has failed.
  await new Promise((done) => setTimeout(done, 100));
  return { values, refused, thrown, rose: (kilobytes("VmHWM") - before) * 1024, leftOpen: openFilesIn(folder) };
}

// deno-lint-ignore no-console
console.log(JSON.stringify(await tryAll(Deno.args[0]!, Number(Deno.args[1]))));
