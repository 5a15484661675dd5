import { basename, extname } from "node:path";
import type { ImageFacts } from "../../artifacts/facts.ts";
import { decodeText, parseJson } from "../../artifacts/record.ts";
import { FormatError, refuse } from "../../science/formats/format_error.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { type Labels, labelsOfNames, labelsOfValues } from "./items.ts";
import type { DatasetParams } from "./params.ts";
import { readFile } from "./read_file.ts";

/** Enough for some millions of rows; read, they take ten times as much memory. */
export const MOST_TABLE_BYTES = 128 << 20;
const MOST_LINE_BYTES = 1 << 20;

/** One row of a table: where it stands, the file that it names, and that file's label. */
interface Row {
  readonly row: string;
  readonly name: unknown;
  readonly label: unknown;
}

/**
 * Returns labels from the first sub-folder of each path, and the names of these sub-folders in code-unit order: a label
 * is an index into the names.
 *
 * @returns undefined if all images are in the folder itself; an error message if the folder has no clear labels
 */
export function labelsOfFolders(paths: readonly string[]): Labels | undefined | string {
  const loose = paths.filter((path) => !path.includes("/"));
  if (loose.length === paths.length) return undefined;
  if (loose.length > 0) {
    const some = loose.slice(0, 5).join(", ");
    const are = loose.length === 1 ? "is" : "are";
    return `${loose.length} of ${paths.length} images ${are} not in one of the sub-folders that name labels: ${some}`;
  }
  return labelsOfNames(paths.map((path) => path.slice(0, path.indexOf("/"))), "sub-folders");
}

type Columns = Pick<Exclude<DatasetParams["labels"], string | undefined>, "column" | "names">;

/**
 * Returns the labels that a table gives to images. Each image has one row, and each row an image.
 * @throws FormatError for a file that is no such table
 */
export async function labelsOfTable(path: string, columns: Columns, images: readonly string[]) {
  const bytes = await readFile(path, "labels", MOST_TABLE_BYTES);
  if (extname(path).toLowerCase() !== ".json") checkLines(bytes, path);
  return matchRows(rowsOf(decodeText(path, bytes), path, columns), images, basename(path));
}

function checkLines(bytes: Uint8Array, path: string): void {
  for (let [line, at] = [1, 0]; at < bytes.length; line++) {
    const end = bytes.indexOf(10, at);
    const length = (end < 0 ? bytes.length : end) - at;
    if (length > MOST_LINE_BYTES) refuse(`${path}, line ${line}`, `${length} bytes`, `at most ${MOST_LINE_BYTES}`);
    at += length + 1;
  }
}

export const classesIn = ({ classes, classNames }: Labels) => definedOnly({ classes, classNames });

/** Some 100,000 rows are read in a moment; a larger table is left to the run. */
const MOST_EARLY_BYTES = 4 << 20;

/** Returns the classes that a table gives to images, before the run; nothing if only the run can tell them. */
export function classesOfTable(path: string | undefined, columns: Columns): Pick<ImageFacts, "classes" | "classNames"> {
  try {
    if (path === undefined || Deno.statSync(path).size > MOST_EARLY_BYTES) return {};
    const rows = rowsOf(decodeText(path, Deno.readFileSync(path)), path, columns);
    const labels = labelsOfValues(rows.map(({ label }) => label), String);
    return typeof labels === "string" ? {} : classesIn(labels);
  } catch {
    // The run says what is wrong with the table.
    return {};
  }
}

/** Returns the labels of EDM's `dataset.json` beside images; undefined if it says that there are none. */
export function labelsOfEdm(bytes: Uint8Array, images: readonly string[]): Labels | string | undefined {
  const rows = edmRows(decodeText("dataset.json", bytes), "dataset.json");
  return rows && matchRows(rows, images, "dataset.json");
}

function rowsOf(text: string, path: string, { column = "label", names = "file_name" }: Columns): readonly Row[] {
  const kind = extname(path).toLowerCase();
  if (kind === ".json") return edmRows(text, path) ?? [];
  const records = kind === ".csv" || kind === ".tsv"
    ? csvRecords(text, path, kind === ".tsv" ? "\t" : ",")
    : [".jsonl", ".ndjson"].includes(kind)
    ? jsonRecords(text, path)
    : undefined;
  if (records === undefined) {
    throw new FormatError(path, {
      got: `a file ${kind || "without extension"}`,
      wanted: ".csv, .tsv, .jsonl or .json",
    });
  }
  const lacking = [names, column].filter((each) => !records.some(({ record }) => Object.hasOwn(record, each)));
  if (records.length > 0 && lacking.length > 0) {
    const [got, wanted] = [Object.keys(records[0]!.record).join(", "), `columns ${names} and ${column}`];
    const fix = `set labels: { names: …, column: … } to columns that are there`;
    throw new FormatError(path, { got: `columns ${got}`, wanted, fix });
  }
  return records.map(({ line, record }) => ({ row: `line ${line}`, name: record[names], label: record[column] }));
}

interface TableRecord {
  readonly line: number;
  readonly record: Readonly<Record<string, unknown>>;
}

/** Reads CSV with quotes as in RFC 4180; the first row has the names. */
function csvRecords(text: string, path: string, delimiter: "," | "\t"): TableRecord[] {
  const field = new RegExp(`(?:"([^"]*(?:""[^"]*){0,100000})"|([^"${delimiter}\r\n]*))(${delimiter}|\r?\n)`, "y");
  const ended = `${text}\n`;
  const records: TableRecord[] = [];
  let names: string[] | undefined;
  let [line, fields] = [1, [] as string[]];
  for (let [at, next] = [0, 1]; at < ended.length; at = field.lastIndex) {
    const [all, quoted, bare, end] = field.exec(ended) ??
      refuse(`${path}, line ${next}`, "quotes inside a field, or that do not end", "CSV");
    next += all.split("\n").length - 1;
    fields.push(quoted?.replaceAll('""', '"') ?? bare!);
    if (end === delimiter) continue;
    const isEmpty = fields.length === 1 && fields[0] === "";
    if (names !== undefined && !isEmpty) {
      if (fields.length !== names.length) refuse(`${path}, line ${line}`, `${fields.length} fields`, `${names.length}`);
      records.push({ line, record: Object.fromEntries(names.map((name, i) => [name, fields[i]])) });
    } else if (!isEmpty) names = fields;
    [line, fields] = [next, []];
  }
  return records;
}

function jsonRecords(text: string, path: string): TableRecord[] {
  return text.split("\n").flatMap((each, i) => {
    if (each.trim() === "") return [];
    const what = `${path}, line ${i + 1}`;
    const record = parseJson(what, each);
    if (typeof record === "object" && record !== null && !Array.isArray(record)) {
      return [{ line: i + 1, record: record as TableRecord["record"] }];
    }
    throw new FormatError(what, { got: each, wanted: "a JSON object" });
  });
}

function edmRows(text: string, path: string): Row[] | undefined {
  const { labels } = (parseJson(path, text) ?? {}) as { readonly labels?: unknown };
  if (labels === null) return undefined;
  if (!Array.isArray(labels) || !labels.every((each) => Array.isArray(each) && each.length === 2)) {
    throw new FormatError(path, {
      got: "something else",
      wanted: '{"labels": [["file", label], …]}, as EDM writes it',
    });
  }
  return labels.map(([name, label], i) => ({ row: `label ${i + 1}`, name, label }));
}

/** A message names so many of each kind of fault, and counts the rest. */
const MOST_NAMED = 20;

/** Pairs rows with images, and reports everything that does not fit at once. */
function matchRows(rows: readonly Row[], images: readonly string[], table: string): Labels | string {
  const places = new Map(images.map((name, place) => [name, place]));
  const values: unknown[] = new Array(images.length);
  const seen = new Uint8Array(images.length);
  const [absent, twice, unlabelled]: [string[], string[], string[]] = [[], [], []];
  const placeOf = ({ name }: Row) => typeof name === "string" ? places.get(name.replace(/^\.\//, "")) : undefined;
  for (const each of rows) {
    const { row, name, label } = each;
    const [place, told] = [placeOf(each), `${row}: ${String(name)}`];
    if (place === undefined) absent.push(told);
    else if (seen[place]) twice.push(told);
    else if (label === undefined || label === null || label === "") unlabelled.push(told);
    if (place === undefined) continue;
    seen[place] = 1;
    values[place] = label;
  }
  const said = [
    ...named("rows that name no image that is there", absent),
    ...named("rows that name an image a second time", twice),
    ...named("rows without a label", unlabelled),
    ...named("images without a row", images.filter((_, place) => seen[place] === 0)),
  ];
  if (said.length > 0) return `${table} does not fit the images:\n${said.join("\n")}`;
  return labelsOfValues(values, (place) => {
    return `${images[place]} in ${table}, ${rows.find((row) => placeOf(row) === place)!.row}`;
  });
}

function named(fault: string, found: readonly string[]): string[] {
  if (found.length === 0) return [];
  const more = found.length > MOST_NAMED ? `, and ${found.length - MOST_NAMED} more` : "";
  return [`  ${fault} (${found.length}): ${found.slice(0, MOST_NAMED).join(", ")}${more}`];
}
