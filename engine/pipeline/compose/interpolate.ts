import { PLACEHOLDER } from "../../../schemas/command.ts";
import { didYouMean, suggestName } from "../../../std/did_you_mean.ts";
import type { DocumentPath } from "../../diagnostic/document.ts";
import type { Problems } from "../../diagnostic/problems.ts";
import { asMap, Budget, getPath, mapLeaves, MAX_DEPTH, measure, TOO_DEEP } from "../source/tree.ts";
import type { Combination } from "./axes.ts";

/** A `${…}` that was replaced: where it is written and what it named, for origin chains. */
export interface Interpolation {
  readonly path: DocumentPath;
  readonly expression: string;
  /** The document path of the value that replaced it. */
  readonly from: DocumentPath;
}

const MAX_TEXT = 100_000;
/** The longest chain of vars that name each other; the call stack holds some thousands. */
const MAX_CHAIN = 500;
/** After so many problems, looking further takes time and tells nothing. */
const MAX_PROBLEMS = 20;
const EXPRESSION = /\$\$\{|\$\{([^}]*)\}/g;

/**
 * Replaces every `${vars.x}`, `${name}` and `${seed}`. A string that is one expression takes the value with its type;
 * within longer text the value is written as text. `$${` stands for a plain `${`. There is no access to the
 * environment: a pipeline means the same on every machine.
 */
export function interpolate(root: unknown, problems: Problems, budget: Budget = new Budget()): {
  value: unknown;
  interpolations: Interpolation[];
} {
  const interpolations: Interpolation[] = [];
  const first = problems.count;
  const refuse = (path: DocumentPath, message: string, fix: string): undefined =>
    problems.add(path, message, fix, { code: "interpolation" });
  const reported = new Set<string>();
  const resolved = new Map<string, unknown>();

  const lookUp = (expression: string, path: DocumentPath, stack: readonly string[]): unknown => {
    if (problems.count - first >= MAX_PROBLEMS || budget.spent) return undefined;
    const name = expression.trim();
    // Values of a matrix differ from child to child, those of a search from trial to trial; each fills in its own.
    const isSearched = path[0] === "stages" && path[2] === "with" &&
      getPath(root, ["stages", path[1]!, "search"]).found;
    if (name.startsWith("matrix.") || (name.startsWith("search.") && isSearched)) return `\${${name}}`;
    // The command line of a program is filled in when it starts, and is checked with its stage.
    const isOfProgram = path.at(-3) === "with" && path.at(-2) === "run";
    if (isOfProgram && `\${${name}}`.replace(PLACEHOLDER, "") === "") return `\${${name}}`;
    const parts = name.split(".");
    const report = (message: string, fix: string): undefined => {
      // For vars that nest each other, one report is enough.
      const key = message === TOO_DEEP ? message : `${JSON.stringify(path)} ${message}`;
      if (!reported.has(key)) refuse(path, message, fix);
      reported.add(key);
    };
    if (parts[0] !== "vars" && name !== "name" && name !== "seed") {
      const near = didYouMean(parts[0]!, ["vars", "matrix", "name", "seed"]);
      const fix = "use ${vars.…}, ${matrix.…}, ${name} or ${seed}; nothing else is available";
      return report(`cannot resolve \${${expression}}`, near === undefined ? fix : `did you mean "${near}"?`);
    }
    if (stack.includes(name)) {
      return report(`interpolation cycle: ${[...stack, name].join(" -> ")}`, "give one of these vars a plain value");
    }
    if (stack.length >= MAX_CHAIN) return report(`more than ${MAX_CHAIN} vars name each other`, "nest fewer vars");
    if (path.length > MAX_DEPTH) return report(TOO_DEEP, "nest less");
    const found = getPath(root, parts);
    if (!found.found) {
      const vars = Object.keys(asMap(asMap(root)["vars"]));
      const fix = vars.length === 0 ? "name it under vars, with its value" : suggestName(parts[1] ?? "", vars);
      return report(`cannot resolve \${${expression}}: no such value`, fix);
    }
    interpolations.push({ path, expression: name, from: parts });
    // Each var is resolved once: vars that name others twice would otherwise take exponential time.
    const before = problems.count;
    const value = resolved.has(name) ? resolved.get(name) : replace(found.value, path, [...stack, name]);
    if (problems.count > before) return value;
    resolved.set(name, value);
    // Shared parts cost nothing here, but code that walks through the result meets each of them as often as it is
    // named.
    if (path.length + measure(value).depth > MAX_DEPTH) return report(TOO_DEEP, "nest less");
    const refused = budget.take(value);
    return refused === undefined ? value : report(refused, "use fewer or smaller vars");
  };

  const replaceIn = (value: string, path: DocumentPath, stack: readonly string[]): unknown => {
    if (!value.includes("${")) return value;
    const whole = /^\$\{([^}]*)\}$/.exec(value);
    if (whole !== null) return lookUp(whole[1]!, path, stack);
    if (/(^|[^$])\$\{[^}]*$/.test(value)) {
      refuse(path, "${ has no closing }", "close it, or write $${ for a plain ${");
      return value;
    }
    const text = value.replaceAll(EXPRESSION, (match, expression: string | undefined, at: number) => {
      if (expression === undefined) return /^\s*matrix\./.test(value.slice(at + match.length)) ? match : match.slice(1);
      const inner = lookUp(expression, path, stack);
      if (typeof inner !== "object" || inner === null) return String(inner);
      refuse(path, `\${${expression}} is a list or a map and cannot be part of a text`, "use it alone");
      return match;
    });
    if (text.length <= MAX_TEXT) return text;
    refuse(path, `the text grows beyond ${MAX_TEXT} characters`, "nest fewer vars");
    return value;
  };

  const replace = (value: unknown, path: DocumentPath, stack: readonly string[]): unknown =>
    mapLeaves(value, (leaf, at) => typeof leaf === "string" ? replaceIn(leaf, at, stack) : leaf, path);

  return { value: replace(root, [], []), interpolations };
}

/** Match what `interpolate` leaves to `fillMatrix`: expressions that begin with this name, and escapes of these. */
const LEFT = {
  matrix: /\$\$\{(?=\s*matrix\.)|\$\{\s*matrix\.([^}]*?)\s*\}/g,
  search: /\$\$\{(?=\s*search\.)|\$\{\s*search\.([^}]*?)\s*\}/g,
};
type Scope = keyof typeof LEFT;

/** Returns the parts of a value that are left to `fillMatrix`. */
export function matrixPartsIn(value: unknown, scope: Scope = "matrix"): RegExpExecArray[] {
  const found: RegExpExecArray[] = [];
  mapLeaves(value, (leaf) => {
    if (typeof leaf === "string") found.push(...leaf.matchAll(LEFT[scope]));
    return leaf;
  });
  return found;
}

/**
 * Replaces every `${matrix.axis}` and `${matrix.axis.part}`, or those of another scope, by the values of one
 * combination.
 * @param at the path of the value
 * @returns as `unknown` the expressions with axes that the combination lacks, or with parts that the axes' values lack
 */
export function fillMatrix(root: unknown, combination: Combination, at: DocumentPath, scope: Scope = "matrix") {
  const interpolations: Interpolation[] = [];
  const unknown: { path: DocumentPath; axis: string }[] = [];

  const lookUp = (expression: string, path: DocumentPath): { readonly value: unknown } | undefined => {
    const [axis, ...parts] = expression.split(".") as [string, ...string[]];
    const found = Object.hasOwn(combination, axis) ? combination[axis] : undefined;
    const value = found === undefined ? { found: false } : getPath(found.value, parts);
    if (found === undefined || !value.found) {
      unknown.push({ path, axis: expression });
      return undefined;
    }
    interpolations.push({ path, expression: `${scope}.${expression}`, from: [...found.path, ...parts] });
    return { value: value.value };
  };
  const fill = (value: unknown, path: DocumentPath): unknown => {
    if (typeof value !== "string" || !value.includes("${")) return value;
    const [first] = value.matchAll(LEFT[scope]);
    if (first?.[0] === value) return lookUp(first[1]!, path)?.value;
    return value.replaceAll(LEFT[scope], (match, expression: string | undefined) => {
      if (expression === undefined) return match.slice(1);
      const found = lookUp(expression, path);
      return found === undefined ? match : String(found.value);
    });
  };
  return { value: mapLeaves(root, fill, at), interpolations, unknown };
}

/** Returns the axes that a value names in `${matrix.…}`, or in expressions of another scope. */
export function matrixAxesIn(value: unknown, scope?: Scope): Set<string> {
  return new Set(matrixPartsIn(value, scope).flatMap(([, expression]) => expression?.split(".")[0] ?? []));
}

/** Returns `train@${matrix.at}` as `train`: which stage is meant does not depend on the axis. */
export function withoutExtent(reference: string): string {
  return reference.replace(/@\$\{matrix\.\w+\}/, "");
}
