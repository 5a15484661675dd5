import type { BuiltinKind } from "../../../contract/stage.ts";
import { describeFiles } from "../../process/describe.ts";
import type { KindFacts, KindsOf } from "../compose/expand.ts";
import { asMap } from "../source/tree.ts";

export type BuiltinKinds = Readonly<Record<string, BuiltinKind>>;

/** Returns the path of the file of user code that a pipeline names; undefined for the name of something built in. */
export type FileOf = (uses: unknown) => string | undefined;

/** Finds all kinds that each stage may have, as far as known before the matrix is expanded; custom stages are asked. */
export async function findKinds(
  root: unknown,
  builtins: BuiltinKinds,
  fileOf: FileOf,
): Promise<KindsOf> {
  const stages = asMap(asMap(root)["stages"]);
  const uses = new Map(Object.entries(stages).map(([id, entry]) => [id, asMap(entry)["uses"]]));
  const written = [...new Set(uses.values())].filter((one) => typeof one === "string");
  const files = written.flatMap((one) => one.includes("${") ? [] : fileOf(one) ?? []);
  const described = await describeFiles(files.map((file) => ({ file, params: [] })));
  const find = (one: string): KindFacts | undefined => {
    const found = described.get(fileOf(one) ?? "");
    if (found !== undefined) return "error" in found ? undefined : found.stage;
    return Object.hasOwn(builtins, one) ? { seeded: false, ...builtins[one]! } : undefined;
  };
  return (stage) => {
    const one = uses.get(stage);
    if (typeof one !== "string") return [];
    // The matrix may choose the kind.
    const axis = /^\$\{\s*matrix\.([A-Za-z0-9_]+)\s*\}$/.exec(one)?.[1];
    return axis === undefined ? [find(one)] : axisTexts(root, stages[stage], axis).map(find);
  };
}

/** Returns the values of an axis that are texts, from the matrix of the stage or of the pipeline. */
function axisTexts(root: unknown, entry: unknown, axis: string): string[] {
  const [own, shared] = [entry, root].map((holder) => asMap(asMap(holder)["matrix"])[axis]);
  const values = own === undefined ? shared : own;
  const list = Array.isArray(values) ? values : Object.values(asMap(values));
  return list.filter((value) => typeof value === "string");
}
