import type { BuiltinKind } from "../../../contract/stage.ts";
import { describeFiles } from "../../process/describe.ts";
import type { KindFacts, KindsOf } from "../compose/expand.ts";
import { asMap } from "../source/tree.ts";
import { isCustom } from "./builtin.ts";

export type BuiltinKinds = Readonly<Record<string, BuiltinKind>>;

/** Finds all kinds that each stage may have, as far as known before the matrix is expanded; custom stages are asked. */
export async function findKinds(
  root: unknown,
  builtins: BuiltinKinds,
  resolveFile: (written: string) => string,
): Promise<KindsOf> {
  const stages = asMap(asMap(root)["stages"]);
  const uses = new Map(Object.entries(stages).map(([id, entry]) => [id, asMap(entry)["uses"]]));
  const written = [...new Set(uses.values())].filter((one) => typeof one === "string");
  const custom = written.filter((one) => isCustom(one) && !one.includes("${"));
  const described = await describeFiles(custom.map((one) => ({ file: resolveFile(one), params: [] })));
  const find = (one: string): KindFacts | undefined => {
    const found = described.get(resolveFile(one));
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
