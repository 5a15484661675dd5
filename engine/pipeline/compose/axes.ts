import type { Details } from "../../diagnostic/diagnostic.ts";
import type { DocumentPath } from "../../diagnostic/document.ts";
import { showValue } from "../../diagnostic/format.ts";
import type { Problems } from "../../diagnostic/problems.ts";
import { compareCodeUnits } from "../../keys/encode.ts";
import { isRecord, MAX_STAGES } from "../source/tree.ts";

/** One value of an axis, with its name in ids and references. */
interface AxisValue {
  readonly label: string;
  readonly value: unknown;
  /** The path at which the value is written. */
  readonly path: DocumentPath;
}

/** One child of a matrix: a value for each of its axes. */
export type Combination = Readonly<Record<string, AxisValue>>;

/** The pattern of a value's name. Points are allowed in numbers only, so that `train~lr=0.1.checkpoint` can be read. */
export const LABEL = String.raw`[A-Za-z0-9_+-]+(?:\.[0-9]+(?:e[+-]?[0-9]+)?)?`;
export const AXIS_NAME = String.raw`[A-Za-z_][A-Za-z0-9_]*`;
const RESERVED = ["include", "exclude"];

/** Adds a problem with a matrix: what is wrong with the value at a path. */
type Report = (path: DocumentPath, message: string, fix: string, details?: Details) => undefined;

/**
 * Parses a `matrix`: axes with their values, and combinations to leave out and to add. Undefined if something is wrong.
 * @param at the path of the matrix
 */
export function parseMatrix(written: unknown, at: DocumentPath, problems: Problems): Combination[] | undefined {
  const report: Report = (path, message, fix, details) =>
    problems.add(path, `${path.join(".")} ${message}`, fix, details);
  if (!isRecord(written)) {
    const details = { got: showValue(written), wanted: "a map of axes to values" };
    return report(at, "is not valid", "write matrix: { seed: [0, 1, 2] }", details);
  }
  const before = problems.count;
  const axes = Object.entries(written).filter(([name]) => !RESERVED.includes(name))
    .map(([name, values]) => [name, parseAxis(name, values, [...at, name], report)] as const);
  if (problems.count > before) return undefined;
  const size = axes.reduce((product, [, values]) => product * values.length, axes.length === 0 ? 0 : 1);
  if (size > MAX_STAGES) {
    const details = { got: `${size}`, wanted: `at most ${MAX_STAGES}` };
    return report(at, "has too many combinations", "name fewer values", details);
  }
  const excluded = parseSelections(written["exclude"], axes, { at: [...at, "exclude"], whole: false, report });
  const included = parseSelections(written["include"], axes, { at: [...at, "include"], whole: true, report });
  if (problems.count > before) return undefined;
  const product = axes.reduce<Combination[]>(
    (combinations, [name, values]) => combinations.flatMap((one) => values.map((each) => ({ ...one, [name]: each }))),
    size === 0 ? [] : [{}],
  );
  const isExcluded = oneOf(excluded);
  const kept = product.filter((one) => !isExcluded(one));
  const all = distinct([...kept, ...included]);
  return all.length > 0 ? all : report(at, "has no combination left", "name at least one value for an axis");
}

function parseAxis(name: string, values: unknown, at: DocumentPath, report: Report): AxisValue[] {
  const named = isRecord(values);
  if (!new RegExp(`^${AXIS_NAME}$`).test(name)) {
    const details = { got: name, wanted: AXIS_NAME };
    return report(at, "is not the name of an axis", "rename it; names stand in ids and ${matrix.…}", details) ?? [];
  }
  if (!named && !Array.isArray(values)) {
    const details = { got: showValue(values), wanted: "a list of values, or a map of names to values" };
    return report(at, "is not valid", "write its values as a list", details) ?? [];
  }
  const entries: AxisValue[] = named
    ? Object.entries(values).map(([label, value]) => ({ label, value, path: [...at, label] }))
    : values.map((value, index) => ({ label: labelOf(value) ?? "", value, path: [...at, index] }));
  const seen = new Set<string>();
  for (const { label, value, path } of entries) {
    if (!named && labelOf(value) === undefined) {
      const fix = "write the axis as a map that names its values";
      report(path, "has no name: it is not a number, text, true or false", fix, { got: showValue(value) });
    } else if (!new RegExp(`^${LABEL}$`).test(label)) {
      report(path, `"${label}" cannot stand in an id`, "name it with letters, digits, - and _");
    } else if (JSON.stringify(value)?.includes("${matrix.")) {
      report(path, "names another axis, which its values cannot", "write the value out");
    } else if (seen.has(label)) {
      report(path, `two values of the axis are called ${label}`, "remove one, or name them");
    }
    seen.add(label);
  }
  if (entries.length === 0) report(at, "has no values", "name at least one");
  return entries;
}

/** Returns the name of a value in ids: numbers and texts as they are, with - for what an id cannot contain. */
function labelOf(value: unknown): string | undefined {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value !== "string") return undefined;
  return /^-?[0-9.e+-]+$/.test(value) ? value : value.replaceAll(/[^A-Za-z0-9_+-]+/g, "-");
}

/**
 * Parses the entries of `include` and `exclude`: values of axes, by value or by name.
 * @param whole true if each entry must name all axes, as children do
 */
function parseSelections(
  written: unknown,
  axes: readonly (readonly [string, readonly AxisValue[]])[],
  { at, whole, report }: { readonly at: DocumentPath; readonly whole: boolean; readonly report: Report },
): Combination[] {
  if (written === undefined) return [];
  if (!Array.isArray(written) || !written.every(isRecord)) {
    const details = { got: showValue(written), wanted: "a list of maps" };
    return report(at, "is not valid", "write a list of maps such as { seed: 1 }", details) ?? [];
  }
  const added = new Map<string, unknown>();
  return written.map((entry: Record<string, unknown>, index) => {
    const selection: Record<string, AxisValue> = {};
    for (const [name, value] of Object.entries(entry)) {
      const path = [...at, index, name];
      const axis = axes.find(([other]) => other === name)?.[1];
      const label = labelOf(value);
      const found = axis?.find((one) => one.label === label);
      if (axis === undefined) {
        const wanted = axes.map(([other]) => other).join(", ");
        report(path, `there is no axis "${name}"`, "name an axis of the matrix", { wanted });
      } else if (found !== undefined) selection[name] = found;
      else if (whole && label !== undefined) {
        selection[name] = { label, value, path };
        // Ids could not tell this value from another one with the same name.
        const isSame = Object.is(added.getOrInsert(`${name}=${label}`, value), value);
        if (!isSame) report(path, `is another value of the name ${label}`, "name the values of the axis in a map");
      } else report(path, `axis "${name}" has no such value`, "name one that it has", { got: showValue(value) });
    }
    const missing = axes.filter(([name]) => !Object.hasOwn(entry, name)).map(([name]) => name);
    if (whole && missing.length > 0) {
      report([...at, index], `says nothing of ${missing.join(", ")}`, "give every axis a value");
    }
    return selection;
  });
}

/** Returns a test for combinations that have all values of one of the selections, which may name only some axes. */
function oneOf(selections: readonly Combination[]): (one: Combination) => boolean {
  const byAxes = Map.groupBy(selections, (one) => Object.keys(one).sort().join(" "));
  const finders = [...byAxes.values()].map((group) => indexBy(group, Object.keys(group[0]!)));
  return (one) => finders.some((find) => find(one).length > 0);
}

function distinct(combinations: readonly Combination[]): Combination[] {
  return [...new Map(combinations.map((one) => [childSuffix(one), one])).values()];
}

/**
 * Orders children by their labels, numbers by size, whatever the order in which values are written. Otherwise a stage
 * that gathers them would run again for a matrix that was only rearranged.
 */
export function compareCombinations(left: Combination, right: Combination): number {
  for (const axis of Object.keys({ ...left, ...right }).sort()) {
    const [a, b] = [valueOf(left, axis)?.label ?? "", valueOf(right, axis)?.label ?? ""];
    if (a === b) continue;
    const difference = Number(a) - Number(b);
    if (a !== "" && b !== "" && difference !== 0 && Number.isFinite(difference)) return difference;
    return compareCodeUnits(a, b);
  }
  return 0;
}

/** Returns the value that a combination has for an axis. */
export function valueOf(combination: Combination, axis: string): AxisValue | undefined {
  return Object.hasOwn(combination, axis) ? combination[axis] : undefined;
}

/** Returns a function that finds, in one step, the combinations with the same values as another on these axes. */
export function indexBy(
  combinations: readonly Combination[],
  axes: readonly string[],
): (like: Combination) => readonly Combination[] {
  const keyOf = (one: Combination) => JSON.stringify(axes.map((axis) => valueOf(one, axis)?.label));
  const byKey = Map.groupBy(combinations, keyOf);
  return (like) => byKey.get(keyOf(like)) ?? [];
}

/** Returns the axes that both sides have. All combinations of a side have the same axes. */
export function sharedAxes(left: readonly Combination[], right: readonly Combination[]): string[] {
  return Object.keys(left[0] ?? {}).filter((axis) => valueOf(right[0] ?? {}, axis) !== undefined);
}

/**
 * Joins combinations of both sides that have the same values on the axes that both have; undefined if there would be
 * more than anybody meant.
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

/** Returns the distinct combinations of some axes only. */
export function project(combinations: readonly Combination[], axes: ReadonlySet<string>): Combination[] {
  return distinct(
    combinations.map((one) => Object.fromEntries(Object.entries(one).filter(([axis]) => axes.has(axis)))),
  );
}

/** Returns a suffix such as `~lr=0.1~seed=1`, sorted by axis, so that moving an axis in the file renames nothing. */
export function childSuffix(combination: Combination): string {
  return Object.keys(combination).sort().map((axis) => `~${axis}=${combination[axis]!.label}`).join("");
}

/** Returns the values that a reference names as a combination; only their names are known. */
export function labelled(select: Readonly<Record<string, string>>): Combination {
  return Object.fromEntries(Object.entries(select).map(([axis, label]) => [axis, { label, value: label, path: [] }]));
}
