import type { Diagnostic } from "../../diagnostic/diagnostic.ts";
import { showValue } from "../../diagnostic/format.ts";
import { compareCodeUnits } from "../../keys/encode.ts";
import { isRecord } from "../source/tree.ts";
import { MAX_STAGES } from "../source/budget.ts";
import type { DocumentPath } from "../../diagnostic/document.ts";

/** One value of an axis, under the name that stands in ids and references. */
export interface AxisValue {
  readonly label: string;
  readonly value: unknown;
  /** Where it is written. */
  readonly path: DocumentPath;
}

/** One child of a matrix: a value for each of its axes. */
export type Combination = Readonly<Record<string, AxisValue>>;

/** A problem of a matrix and the path that it is about. */
export interface MatrixProblem extends Pick<Diagnostic, "message" | "got" | "wanted"> {
  readonly path: DocumentPath;
  readonly fix: string;
}

export type Parsed<T> = { readonly value: T } | { readonly problems: readonly MatrixProblem[] };

/** Points stand in numbers only, so that `train~lr=0.1.checkpoint` can be read. */
export const LABEL = String.raw`[A-Za-z0-9_+-]+(?:\.[0-9]+(?:e[+-]?[0-9]+)?)?`;
export const AXIS_NAME = String.raw`[A-Za-z_][A-Za-z0-9_]*`;
const RESERVED = ["include", "exclude"];

/** Read a `matrix`: axes with their values, combinations to leave out and to add. @param at path of the matrix */
export function parseMatrix(written: unknown, at: DocumentPath): Parsed<Combination[]> {
  if (!isRecord(written)) {
    return wrong(
      at,
      "is not valid",
      "write matrix: { seed: [0, 1, 2] }",
      showValue(written),
      "a map of axes to values",
    );
  }
  const problems: MatrixProblem[] = [];
  const axes: [string, AxisValue[]][] = [];
  for (const [name, values] of Object.entries(written)) {
    if (RESERVED.includes(name)) continue;
    const parsed = parseAxis(name, values, [...at, name]);
    if ("problems" in parsed) problems.push(...parsed.problems);
    else axes.push([name, parsed.value]);
  }
  if (problems.length > 0) return { problems };
  const size = axes.reduce((product, [, values]) => product * values.length, axes.length === 0 ? 0 : 1);
  if (size > MAX_STAGES) {
    return wrong(at, "has too many combinations", "name fewer values", `${size}`, `at most ${MAX_STAGES}`);
  }
  const excluded = parseSelections(written["exclude"], axes, [...at, "exclude"]);
  const included = parseSelections(written["include"], axes, [...at, "include"], true);
  if ("problems" in excluded || "problems" in included) {
    return { problems: [excluded, included].flatMap((one) => "problems" in one ? one.problems : []) };
  }
  const product = axes.reduce<Combination[]>(
    (combinations, [name, values]) => combinations.flatMap((one) => values.map((each) => ({ ...one, [name]: each }))),
    size === 0 ? [] : [{}],
  );
  const isExcluded = oneOf(excluded.value);
  const kept = product.filter((one) => !isExcluded(one));
  const isKept = oneOf(kept);
  const added = included.value.filter((one) => !isKept(one));
  const clash = clashOf([...product, ...included.value]);
  if (clash !== undefined) {
    return wrong(clash.path, `is another value of the name ${clash.label}`, "name the values of the axis in a map");
  }
  const all = distinct([...kept, ...added]);
  if (all.length > 0) return { value: all };
  return wrong(at, "has no combination left", "name at least one value for an axis");
}

function parseAxis(name: string, values: unknown, at: DocumentPath): Parsed<AxisValue[]> {
  if (!new RegExp(`^${AXIS_NAME}$`).test(name)) {
    return wrong(at, "is not the name of an axis", "rename it; names stand in ids and ${matrix.…}", name, AXIS_NAME);
  }
  const named = isRecord(values);
  if (!named && !Array.isArray(values)) {
    return wrong(
      at,
      "is not valid",
      "write its values as a list",
      showValue(values),
      "a list of values, or a map of names to values",
    );
  }
  const entries: AxisValue[] = named
    ? Object.entries(values).map(([label, value]) => ({ label, value, path: [...at, label] }))
    : values.map((value, index) => ({ label: labelOf(value) ?? "", value, path: [...at, index] }));
  const problems: MatrixProblem[] = [];
  const seen = new Set<string>();
  for (const { label, value, path } of entries) {
    if (!named && labelOf(value) === undefined) {
      problems.push({
        path,
        message: "has no name: it is no number, text, true or false",
        got: showValue(value),
        fix: "write the axis as a map that names its values",
      });
    } else if (!new RegExp(`^${LABEL}$`).test(label)) {
      problems.push({
        path,
        message: `"${label}" cannot stand in an id`,
        fix: "name it with letters, digits, - and _",
      });
    } else if (JSON.stringify(value)?.includes("${matrix.")) {
      problems.push({ path, message: "names another axis, which its values cannot", fix: "write the value out" });
    } else if (seen.has(label)) {
      problems.push({ path, message: `two values of the axis are called ${label}`, fix: "remove one, or name them" });
    }
    seen.add(label);
  }
  if (entries.length === 0) problems.push({ path: at, message: "has no values", fix: "name at least one" });
  return problems.length > 0 ? { problems } : { value: entries };
}

/** What a value is called in ids: numbers and texts as they are, with - for what an id cannot hold. */
export function labelOf(value: unknown): string | undefined {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value !== "string") return undefined;
  return /^-?[0-9.e+-]+$/.test(value) ? value : value.replaceAll(/[^A-Za-z0-9_+-]+/g, "-");
}

/** Entries of `include` and `exclude`: values of axes, by value or by name. */
function parseSelections(
  written: unknown,
  axes: readonly (readonly [string, readonly AxisValue[]])[],
  at: DocumentPath,
  whole = false,
): Parsed<Combination[]> {
  if (written === undefined) return { value: [] };
  if (!Array.isArray(written) || !written.every(isRecord)) {
    return wrong(at, "is not valid", "write a list of maps such as { seed: 1 }", showValue(written), "a list of maps");
  }
  const problems: MatrixProblem[] = [];
  const selections = written.map((entry: Record<string, unknown>, index) => {
    const selection: Record<string, AxisValue> = {};
    for (const [name, value] of Object.entries(entry)) {
      const path = [...at, index, name];
      const axis = axes.find(([other]) => other === name)?.[1];
      const label = labelOf(value);
      if (axis === undefined) {
        const known = axes.map(([other]) => other).join(", ");
        problems.push({
          path,
          message: `there is no axis "${name}"`,
          wanted: known,
          fix: "name an axis of the matrix",
        });
        continue;
      }
      const found = axis.find((one) => one.label === label);
      if (found !== undefined) selection[name] = found;
      else if (whole && label !== undefined) selection[name] = { label, value, path };
      else {problems.push({
          path,
          message: `axis "${name}" has no such value`,
          got: showValue(value),
          fix: "name one that it has",
        });}
    }
    const missing = axes.filter(([name]) => !Object.hasOwn(entry, name)).map(([name]) => name);
    if (whole && missing.length > 0) {
      problems.push({
        path: [...at, index],
        message: `says nothing of ${missing.join(", ")}`,
        fix: "give every axis a value",
      });
    }
    return selection;
  });
  return problems.length > 0 ? { problems } : { value: selections };
}

/** Whether a combination has all the values of one of these selections, which may name some axes only. */
function oneOf(selections: readonly Combination[]): (one: Combination) => boolean {
  const byAxes = Map.groupBy(selections, (one) => Object.keys(one).sort().join(" "));
  const finders = [...byAxes.values()].map((group) => indexBy(group, Object.keys(group[0]!)));
  return (one) => finders.some((find) => find(one).length > 0);
}

/** A value that is called like another one of its axis; ids could not tell them apart. */
function clashOf(combinations: readonly Combination[]): AxisValue | undefined {
  const seen = new Map<string, string>();
  for (const combination of combinations) {
    for (const [axis, value] of Object.entries(combination)) {
      const key = `${axis}=${value.label}`;
      const text = JSON.stringify(value.value);
      if ((seen.get(key) ?? text) !== text) return value;
      seen.set(key, text);
    }
  }
  return undefined;
}

function distinct(combinations: readonly Combination[]): Combination[] {
  return [...new Map(combinations.map((one) => [childSuffix(one), one])).values()];
}

/**
 * Order of children that does not depend on the order in which values are written: by their labels, numbers by size.
 * What gathers them would otherwise run again for a matrix that was only rearranged.
 */
export function compareCombinations(left: Combination, right: Combination): number {
  const axes = [...new Set([...Object.keys(left), ...Object.keys(right)])].sort();
  for (const axis of axes) {
    const [a, b] = [valueOf(left, axis)?.label ?? "", valueOf(right, axis)?.label ?? ""];
    if (a === b) continue;
    const difference = Number(a) - Number(b);
    if (a !== "" && b !== "" && difference !== 0 && Number.isFinite(difference)) return difference;
    return compareCodeUnits(a, b);
  }
  return 0;
}

/** The value that a combination has for an axis. */
export function valueOf(combination: Combination, axis: string): AxisValue | undefined {
  return Object.hasOwn(combination, axis) ? combination[axis] : undefined;
}

/** Finds, in one step each, the combinations that have the same values as another on these axes. */
export function indexBy(
  combinations: readonly Combination[],
  axes: readonly string[],
): (like: Combination) => readonly Combination[] {
  const keyOf = (one: Combination) => JSON.stringify(axes.map((axis) => valueOf(one, axis)?.label));
  const byKey = Map.groupBy(combinations, keyOf);
  return (like) => byKey.get(keyOf(like)) ?? [];
}

/** The axes that both have. All combinations of a side have the same axes. */
export function sharedAxes(left: readonly Combination[], right: readonly Combination[]): string[] {
  return Object.keys(left[0] ?? {}).filter((axis) => valueOf(right[0] ?? {}, axis) !== undefined);
}

/**
 * Combinations of both sides that have the same values on the axes that both have; undefined where there would be more
 * than anybody meant.
 */
export function join(left: readonly Combination[], right: readonly Combination[]): Combination[] | undefined {
  const find = indexBy(right, sharedAxes(left, right));
  const joined: Combination[] = [];
  for (const a of left) {
    for (const b of find(a)) joined.push({ ...b, ...a });
    if (joined.length > MAX_STAGES) return undefined;
  }
  return joined;
}

/** The distinct combinations of some axes only. */
export function project(combinations: readonly Combination[], axes: ReadonlySet<string>): Combination[] {
  return distinct(
    combinations.map((one) => Object.fromEntries(Object.entries(one).filter(([axis]) => axes.has(axis)))),
  );
}

/** `~lr=0.1~seed=1`, by axis name whatever the order in the file, so that moving an axis renames nothing. */
export function childSuffix(combination: Combination): string {
  return Object.keys(combination).sort().map((axis) => `~${axis}=${combination[axis]!.label}`).join("");
}

function wrong(
  path: DocumentPath,
  message: string,
  fix: string,
  got?: string,
  wanted?: string,
): { problems: MatrixProblem[] } {
  return { problems: [{ path, message, fix, got, wanted }] };
}

/** The values that a reference names, as a combination; of those only the names are known. */
export function labelled(select: Readonly<Record<string, string>>): Combination {
  return Object.fromEntries(Object.entries(select).map(([axis, label]) => [axis, { label, value: label, path: [] }]));
}
