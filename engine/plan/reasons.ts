import type { Ingredients, ResultManifest } from "../../schemas/records.ts";
import { encode } from "../keys/encode.ts";
import { externalName } from "../keys/externals.ts";
import { isUnknownProgram } from "../keys/program.ts";
import { builtinVersion, type Stage } from "../keys/stage.ts";
import type { DocumentPath, Origins } from "../diagnostic/document.ts";
import { isRecord } from "../pipeline/source/tree.ts";
import type { Reason } from "./plan.ts";

/** True if two values differ; undefined stands for an absent value. */
function differs(a: unknown, b: unknown): boolean {
  return encode({ value: a }) !== encode({ value: b });
}

/** Returns changed leaves of two trees of params, by their paths. A list is one value: items have no stable names. */
function diffParams(from: unknown, to: unknown, path: string[] = []): { path: string[]; from: unknown; to: unknown }[] {
  if (!differs(from, to)) return [];
  if (!isRecord(from) || !isRecord(to)) return [{ path, from, to }];
  return Object.keys({ ...from, ...to }).flatMap((key) => diffParams(from[key], to[key], [...path, key]));
}

/** True if nothing but places of files is in a value: keys have null where a path stands. */
function holdsOnlyFiles(value: unknown = null): boolean {
  return value === null || (typeof value === "object" && Object.values(value).every(holdsOnlyFiles));
}

/** Returns what changed since an earlier result, value by value. */
export function explainChange(
  stage: Stage,
  /** With the inputs whose content is known. */
  now: Omit<Ingredients, "inputs"> & { readonly inputs?: Ingredients["inputs"] },
  last: ResultManifest | undefined,
  origins: Origins,
): Reason[] {
  const isUnknown = isUnknownProgram(stage);
  const unknown = isUnknown ? [{ code: "unknown" as const, name: String(stage.params["program"]) }] : [];
  if (last === undefined) return [{ code: "new" }, ...unknown];
  const before = last.ingredients;
  const reasons: Reason[] = [...unknown];
  if (before.version !== now.version) {
    const isOlder = builtinVersion(before.version) !== builtinVersion(now.version);
    const code = now.kind === before.kind && !stage.kind.custom && isOlder ? "version" : "code";
    reasons.push({ code, from: before.version, to: now.version });
  }
  const addParam = (name: string, from: unknown, to: unknown, path: DocumentPath) => {
    const origin = origins.explain(path);
    reasons.push({ code: "param", name, from, to, at: origin[0]!, origin });
  };
  if (before.seed !== now.seed) {
    const own = ["stages", stage.entry, "seed"];
    addParam("seed", before.seed, now.seed, origins.explain(own)[0] === "default" ? ["seed"] : own);
  }
  const externals = Object.keys({ ...before.externals, ...now.externals })
    .map((name) => ({ code: "external" as const, name, from: before.externals[name], to: now.externals[name] }))
    .filter(({ from, to }) => from !== to);
  for (const { path, from, to } of diffParams(before.params, now.params)) {
    if (isUnknown && path[0] === "interpreter") continue;
    // A file that is new or gone is told as an external, with its content.
    const place = externalName(path[0]!, path.slice(1));
    const isTold = externals.some(({ name }) => name.startsWith(place)) && holdsOnlyFiles(from) && holdsOnlyFiles(to);
    if (!isTold) addParam(path.join("."), from, to, ["stages", stage.entry, "with", ...path]);
  }
  reasons.push(...externals);
  const gone = Object.keys(before.inputs).filter((name) => !Object.hasOwn(stage.inputs, name));
  for (const [name, to] of Object.entries({ ...now.inputs, ...Object.fromEntries(gone.map((one) => [one, []])) })) {
    const from = before.inputs[name] ?? [];
    if (!differs(from, to)) continue;
    const bindings = stage.inputs[name] ?? [];
    const first = bindings.find((_, index) => !from.includes(to[index]!));
    // A list that only got shorter reads nothing new, and the stages that it no longer reads have no name here.
    const shrunk = first === undefined && to.length < from.length;
    reasons.push({ code: "input", name, stage: shrunk ? "none" : (first ?? bindings[0])?.stage ?? "none", from, to });
  }
  return reasons;
}
