import type { Ingredients, ResultManifest } from "../../schemas/records.ts";
import { encode } from "../fingerprint/encode.ts";
import type { Stage } from "../pipeline.ts";
import type { Origins } from "../load/origin.ts";
import type { Reason } from "./plan.ts";

function differs(a: unknown, b: unknown): boolean {
  if (a === undefined || b === undefined) return a !== b;
  return encode(a) !== encode(b);
}

/** Changed leaves of two params trees, by dotted name. Lists count as one value: items have no stable names. */
function diffParams(from: unknown, to: unknown, name: string, found: { name: string; from: unknown; to: unknown }[]) {
  if (!differs(from, to)) return;
  const maps = [from, to].every((value) => typeof value === "object" && value !== null && !Array.isArray(value));
  if (!maps) {
    found.push({ name, from, to });
    return;
  }
  const a = from as Record<string, unknown>;
  const b = to as Record<string, unknown>;
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    diffParams(a[key], b[key], name === "" ? key : `${name}.${key}`, found);
  }
}

/** Value by value, what changed since the result that the stage showed last. */
export function explainChange(
  stage: Stage,
  now: Omit<Ingredients, "inputs"> & { readonly inputs?: Ingredients["inputs"] },
  last: ResultManifest | undefined,
  origins: Origins,
): Reason[] {
  if (last === undefined) return [{ code: "new" }];
  const before = last.ingredients;
  const reasons: Reason[] = [];
  if (before.version !== now.version) {
    const code = now.kind === before.kind && !stage.kind.custom ? "version" : "code";
    reasons.push({ code, from: before.version, to: now.version });
  }
  if (before.seed !== now.seed) {
    const [own] = origins.explain(["stages", stage.entry, "seed"]);
    const at = own === "default" ? origins.explain(["seed"])[0]! : own!;
    reasons.push({ code: "param", name: "seed", from: before.seed, to: now.seed, at });
  }
  const params: { name: string; from: unknown; to: unknown }[] = [];
  diffParams(before.params, now.params, "", params);
  for (const { name, from, to } of params) {
    const at = origins.explain(["stages", stage.entry, "with", ...name.split(".")])[0]!;
    reasons.push({ code: "param", name, from, to, at });
  }
  for (const name of new Set([...Object.keys(before.externals), ...Object.keys(now.externals)])) {
    if (before.externals[name] !== now.externals[name]) reasons.push({ code: "external", name });
  }
  if (now.inputs !== undefined) {
    for (const name of new Set([...Object.keys(before.inputs), ...Object.keys(now.inputs)])) {
      if (!differs(before.inputs[name], now.inputs[name])) continue;
      reasons.push({ code: "input", name, stage: stage.inputs[name]?.[0]?.stage ?? "none" });
    }
  }
  return reasons;
}
