import { dirname, relative, resolve } from "node:path";
import { type Diagnostic, refuse, type Result, succeed } from "../../diagnostic/diagnostic.ts";
import { showValue } from "../../diagnostic/format.ts";
import { isRecord } from "../source/tree.ts";
import { diagnosticAt, type DocumentPath, type SourceDocument } from "../../diagnostic/document.ts";
import type { Layer } from "./layers.ts";
import { mergeValues } from "./merge.ts";
import { rebase } from "./rebase.ts";

export interface ReadVars {
  readonly vars: Readonly<Record<string, unknown>>;
  /** Lowest first; empty where the file says its vars itself. */
  readonly layers: readonly Layer[];
}

const WANTED = "a map of names to values, a file that has one, or a list of these";

/**
 * The vars of a document: a map as it stands, or files with such maps, or a list of both, the last of which wins.
 * @param path of the file that names them, from which theirs start
 * @param nameOf a file as messages call it, from how it is written
 */
export async function readVars(
  document: SourceDocument,
  { path, nameOf, read }: {
    readonly path: string;
    readonly nameOf: (written: string) => string;
    readonly read: (file: string, name: string) => Promise<Result<SourceDocument>>;
  },
): Promise<Result<ReadVars | undefined>> {
  const written = isRecord(document.value) ? document.value["vars"] : undefined;
  if (typeof written !== "string" && !Array.isArray(written)) return succeed(undefined);
  const layers: Layer[] = [];
  let vars: unknown = {};
  for (const [index, each] of [written].flat().entries()) {
    const at: DocumentPath = Array.isArray(written) ? ["vars", index] : ["vars"];
    if (isRecord(each)) {
      layers.push({ document, prefix: at, at: ["vars"] });
      vars = mergeValues(vars, each);
      continue;
    }
    if (typeof each !== "string" || each === "") return refuse([invalid(document, at, showValue(each))]);
    const place = resolve(dirname(path), each);
    const file = await read(place, nameOf(each));
    if (!file.ok) return file;
    if (!isRecord(file.value.value)) return refuse([invalid(file.value, [], showValue(file.value.value))]);
    layers.push({ document: file.value, prefix: [], at: ["vars"] });
    vars = mergeValues(vars, rebase(file.value.value, relative(dirname(path), dirname(place))));
  }
  return succeed({ vars: vars as ReadVars["vars"], layers });
}

function invalid(document: SourceDocument, at: DocumentPath, got: string): Diagnostic {
  const fix = "write vars: { size: 16 }, or vars: ./sizes.yaml with size: 16 in that file";
  const problem = diagnosticAt(document, at, {
    code: "invalid-value",
    message: "vars are not valid",
    got,
    wanted: WANTED,
    fix,
  });
  return { ...problem, span: problem.span ?? document.whole };
}
