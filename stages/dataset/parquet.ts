import {
  type AsyncBuffer,
  type ColumnMetaData,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
} from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import { basename } from "node:path";
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import { parseJson } from "../../artifacts/record.ts";
import { readAt } from "../../artifacts/rows.ts";
import { asFormatError } from "../../science/formats/archives.ts";
import { FormatError, refuse } from "../../science/formats/format_error.ts";
import { decodeImage } from "./image_files.ts";
import { type Items, type Labels, labelsOfValues, MOST_ITEMS } from "./items.ts";
import type { DatasetParams } from "./params.ts";

/** A group of rows is in memory at once, and so is a page of it, unpacked. */
const MOST_GROUP_BYTES = 1 << 30;
const MOST_PAGE_BYTES = 256 << 20;
/** PyArrow writes no more; one byte can stand for all of them, and each takes some two hundred once it is read. */
const MOST_GROUP_ROWS = 1 << 20;

/** One file of a data set, with the rows that it holds. */
interface ParquetFile {
  readonly path: string;
  readonly file: AsyncBuffer;
  readonly metadata: FileMetaData;
}

/** Opens images as Hugging Face stores them: a column of {bytes, path}, and one of labels. */
export async function open(paths: readonly string[], { column, labels }: DatasetParams): Promise<Items> {
  const files = await Promise.all(paths.map(openFile));
  const [first] = files;
  const images = column ?? imageColumn(first!);
  const own = typeof labels === "object" ? labels.column ?? "label" : undefined;
  const label = labels === "none" ? undefined : own ?? "label";
  const names: string[] = [];
  const values: unknown[] = [];
  const hasLabels = label !== undefined && (own !== undefined || columnsOf(first!.metadata).includes(label));
  for (const { path, ...opened } of files) {
    const there = columnsOf(opened.metadata);
    for (const wanted of hasLabels ? [images, label] : [images]) {
      if (!there.includes(wanted)) refuse(path, `columns ${there.join(", ")}`, `a column ${wanted}`);
    }
    const [rows, bytes] = [Number(opened.metadata.num_rows), opened.file.byteLength];
    const large = opened.metadata.row_groups.find(({ num_rows }) => num_rows > MOST_GROUP_ROWS)?.num_rows;
    if (rows > bytes) refuse(path, `${rows} rows in ${bytes} bytes`, "no more rows than bytes");
    if (large !== undefined) refuse(path, `a group of ${large} rows`, `at most ${MOST_GROUP_ROWS}`);
    if (names.length + rows > MOST_ITEMS) refuse(path, `${names.length + rows} rows`, `at most ${MOST_ITEMS}`);
    if (rows !== opened.metadata.row_groups.reduce((sum, { num_rows }) => sum + Number(num_rows), 0)) {
      refuse(path, "groups that do not add up", `${rows} rows`);
    }
    for (let row = 0; row < rows; row++) names.push(`${basename(path)}, row ${row}`);
    if (!hasLabels) continue;
    for await (const { rows } of groupsOf({ path, ...opened }, label)) for (const row of rows) values.push(row);
  }
  return {
    names,
    labels: hasLabels ? withNames(labelsOfValues(values, (i) => names[i]!), first!, label) : undefined,
    broken: new Map(),
    isFitted: true,
    async *read(chosen) {
      let [next, start] = [0, 0];
      for (const opened of files) {
        const isChosen = (from: number, to: number) => chosen[next]! >= start + from && chosen[next]! < start + to;
        for await (const { from, rows } of groupsOf(opened, images, isChosen)) {
          for (; isChosen(from, from + rows.length); next++) {
            const image = rows[chosen[next]! - start - from] as { readonly bytes?: unknown } | Uint8Array | null;
            const bytes = image instanceof Uint8Array ? image : image?.bytes;
            yield bytes instanceof Uint8Array ? decodeImage(bytes) : "no image";
          }
        }
        start += Number(opened.metadata.num_rows);
      }
    },
  };
}

async function openFile(path: string): Promise<ParquetFile> {
  const { size: byteLength } = await Deno.stat(path);
  const read = (start: number, end: number) => {
    const length = Math.min(end, byteLength) - start;
    if (!(start >= 0 && length >= 0 && length <= MOST_GROUP_BYTES)) {
      refuse(path, `bytes ${start} to ${end}`, `some of ${byteLength}`);
    }
    using file = Deno.openSync(path);
    const bytes = new Uint8Array(length);
    readAt(file, start, bytes);
    return bytes.buffer;
  };
  const file: AsyncBuffer = {
    byteLength,
    slice(start, end = byteLength) {
      const bytes = Promise.try(read, start, end);
      // Hyparquet asks for several ranges, and does not wait for the others once one has failed.
      bytes.catch(() => {});
      return bytes;
    },
  };
  return { path, file, metadata: await guarded(path, () => parquetMetadataAsync(file)) };
}

/** Hyparquet throws errors of many kinds for files that are broken. */
async function guarded<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    throw asFormatError(cause, path, "a whole Parquet file");
  }
}

const columnsOf = (metadata: FileMetaData) => parquetSchema(metadata).children.map(({ element: { name } }) => name);

/** Returns the only column that has images. */
function imageColumn({ path, metadata }: ParquetFile): string {
  const found = parquetSchema(metadata).children
    .filter(({ children }) => children.some(({ element: { name } }) => name === "bytes"))
    .map(({ element: { name } }) => name);
  if (found.length === 1) return found[0]!;
  const got = `${found.length} such columns among ${columnsOf(metadata).join(", ")}`;
  const fix = found.length === 0
    ? "write the images as Hugging Face's datasets do, or to files"
    : `set column to one of ${found.join(", ")}`;
  throw new FormatError(path, { got, wanted: "one column of images, {bytes, path}", fix });
}

type Pages = (packed: Uint8Array, length: number) => Uint8Array;
const unpack = (unpacker: (packed: Uint8Array, options: { readonly maxOutputLength: number }) => Uint8Array): Pages => {
  return (packed, length) => new Uint8Array(unpacker(packed, { maxOutputLength: Math.max(1, length) }));
};

/** Snappy is Hyparquet's own. */
const COMPRESSORS = {
  GZIP: unpack(gunzipSync),
  ZSTD: unpack(zstdDecompressSync),
  BROTLI: unpack(brotliDecompressSync),
};

/** Yields the values of a column, group by group, of those groups that are wanted. */
async function* groupsOf(
  { path, file, metadata }: ParquetFile,
  column: string,
  isWanted: (from: number, to: number) => boolean = () => true,
): AsyncGenerator<{ readonly from: number; readonly rows: readonly unknown[] }> {
  const leaf = leafOf(path, metadata, column);
  let from = 0;
  for (const { num_rows, columns } of leaf.metadata.row_groups) {
    const to = from + Number(num_rows);
    if (isWanted(from, to)) {
      const meta = columns[0]?.meta_data ?? refuse(path, `a group without ${column}`, "all columns in each group");
      const rows = await guarded(path, async () => {
        const range = { rowStart: from, rowEnd: to };
        return await parquetReadObjects({
          file: await openChunk(path, file, meta, to - from),
          ...leaf,
          ...range,
          columns: [column],
          utf8: false,
          compressors: COMPRESSORS,
        });
      });
      if (rows.length !== to - from) refuse(path, `${rows.length} rows in a group`, `${to - from}`);
      yield { from, rows: rows.map((row) => row[column]) };
    }
    from = to;
  }
}

/**
 * Reads the pages of a column in a group, and checks what their headers declare: Hyparquet makes arrays of these
 * lengths before it reads what they hold.
 */
async function openChunk(path: string, file: AsyncBuffer, meta: ColumnMetaData, rows: number): Promise<AsyncBuffer> {
  const start = Number(meta.dictionary_page_offset || meta.data_page_offset);
  const end = start + Number(meta.total_compressed_size);
  const chunk = await file.slice(start, end);
  const reader = { view: new DataView(chunk), offset: 0 };
  let [values, bytes] = [0, 0];
  while (reader.offset < chunk.byteLength - 1) {
    const page = parquetHeader(reader);
    const [plain, second, size] = [page.data_page_header, page.data_page_header_v2, page.uncompressed_page_size];
    const named = page.dictionary_page_header?.num_values ?? 0;
    const count = plain?.num_values ?? second?.num_values ?? 0;
    const isSound = [page.compressed_page_size, size, count, second?.num_nulls ?? 0].every((each) => each >= 0) &&
      (plain === undefined || second === undefined) && named <= size && size <= MOST_PAGE_BYTES;
    [values, bytes] = [values + count, bytes + size];
    if (!isSound) {
      refuse(path, `a page of ${count + named} values in ${size} bytes`, `at most ${MOST_PAGE_BYTES} bytes`);
    }
    if (values > rows) refuse(path, `${values} values in a group`, `${rows}, as it has rows`);
    if (bytes > MOST_GROUP_BYTES) refuse(path, `a group of ${bytes} bytes`, `at most ${MOST_GROUP_BYTES}`);
    reader.offset += page.compressed_page_size;
  }
  return { ...file, slice: (from, to) => from === start && to === end ? chunk : file.slice(from, to) };
}

/**
 * Returns the metadata of one column alone, of an image its `bytes`. Hyparquet reads the parts of a column at the same
 * time, and an error in a second one would end the process.
 */
function leafOf(path: string, metadata: FileMetaData, column: string): { readonly metadata: FileMetaData } {
  const root = parquetSchema(metadata);
  const top = root.children.find(({ element: { name } }) => name === column)!;
  const inner = top.children.find(({ element: { name } }) => name === "bytes");
  const isList = [top, inner].some((each) => each?.element.repetition_type === "REPEATED");
  if (isList || (top.children.length > 0 && inner === undefined)) {
    refuse(path, `column ${column} of ${top.children.length} parts`, "a column of values, or of {bytes, path}");
  }
  const chain = inner === undefined ? [top] : [top, inner];
  const name = chain.map(({ element }) => element.name).join();
  const schema = [root, ...chain].map(({ element }, i) => i < chain.length ? { ...element, num_children: 1 } : element);
  const row_groups = metadata.row_groups.map((group) => ({
    ...group,
    columns: group.columns.filter(({ meta_data }) => meta_data?.path_in_schema.join() === name).slice(0, 1),
  }));
  return { metadata: { ...metadata, schema, row_groups } };
}

/** Adds the names of classes that Hugging Face keeps beside the columns. */
function withNames(labels: Labels | string, { path, metadata }: ParquetFile, column: string): Labels | string {
  const text = metadata.key_value_metadata?.find(({ key }) => key === "huggingface")?.value;
  if (typeof labels === "string" || labels.classNames !== undefined || text === undefined) return labels;
  const said = parseJson(path, text) as
    | { info?: { features?: Record<string, { names?: unknown } | undefined> } }
    | null;
  const names = said?.info?.features?.[column]?.names;
  if (!Array.isArray(names) || !names.every((name) => typeof name === "string")) return labels;
  if (names.length < labels.classes) return `label ${labels.classes - 1} of ${path}: it has ${names.length} names`;
  return { ...labels, classes: names.length, classNames: names };
}
