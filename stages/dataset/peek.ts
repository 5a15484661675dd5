import { extname } from "node:path";
import type { ImageFacts } from "../../artifacts/facts.ts";
import { dtypeOf } from "../../diffusion/normalizer.ts";
import { decodeNpyHeader } from "../../formats/npy.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { labelsOfValues } from "./items.ts";
import type { DatasetParams } from "./params.ts";

/** Looks into files before the run, as far as that is quick. The run reports files that are not as they should be. */

/** Some 100,000 rows. A larger table is left to the run. */
const MOST_TABLE_BYTES = 4 << 20;
/** NumPy pads its headers to multiples of 64 bytes, and few are longer. */
const HEADER_BYTES = 4_096;

/** Types of the numbers of items. */
export const VALUES = { "|u1": Uint8Array, "<u2": Uint16Array, "<f4": Float32Array } as const;

/** Returns the classes that a table gives to images; nothing if only the run can tell them. */
export function classesOfTable(path: string, column = "label"): Pick<ImageFacts, "classes" | "classNames"> {
  try {
    const labels = Deno.statSync(path).size <= MOST_TABLE_BYTES && labelsOfValues(valuesOf(path, column), String);
    if (typeof labels !== "object") return {};
    const { classes, classNames } = labels;
    return definedOnly({ classes, classNames });
  } catch {
    return {};
  }
}

function valuesOf(path: string, column: string): unknown[] {
  const text = new TextDecoder("utf-8", { fatal: true }).decode(Deno.readFileSync(path));
  const kind = extname(path).toLowerCase();
  if (kind === ".csv" || kind === ".tsv") {
    const [names, ...rows] = csvRows(text, kind === ".tsv" ? "\t" : ",");
    return rows.map((row) => row[names!.lastIndexOf(column)]);
  }
  return text.split("\n").filter((line) => line.trim() !== "").map((line) => JSON.parse(line)[column]);
}

/**
 * Splits a table into its fields. The run uses a parser that says what is wrong with a table, and takes long to load.
 * @throws RangeError for a table that is not clear
 */
function csvRows(text: string, delimiter: "," | "\t"): string[][] {
  const field = new RegExp(`(?:"((?:[^"]|"")*)"|([^"${delimiter}\r\n]*))(${delimiter}|\r?\n|$)`, "gy");
  const rows: string[][] = [[]];
  let at = 0;
  for (const [all, quoted, bare, end] of text.matchAll(field)) {
    at += all.length;
    rows.at(-1)!.push(quoted?.replaceAll('""', '"') ?? bare!);
    if (end !== delimiter) rows.push([]);
  }
  if (at < text.length) throw new RangeError();
  return rows.filter((fields) => fields.length > 1 || Boolean(fields[0]));
}

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
