import type { Interpolation } from "./interpolate.ts";
import { getPath, isRecord } from "../source/tree.ts";
import type { DocumentPath } from "../../diagnostic/document.ts";
import type { Combination } from "./axes.ts";

/** What `interpolate` leaves to this: escapes of matrix expressions, and the expressions. */
const EXPRESSION = /\$\$\{(?=\s*matrix\.)|\$\{\s*matrix\.([^}]*?)\s*\}/g;

export interface Filled {
  readonly value: unknown;
  readonly interpolations: readonly Interpolation[];
  /** Expressions of axes that the combination lacks, or of parts that their values lack. */
  readonly unknown: readonly { readonly path: DocumentPath; readonly axis: string }[];
}

/** Replace every `${matrix.axis}` and `${matrix.axis.part}` by the values of one combination. @param at path of the value */
export function fillMatrix(root: unknown, combination: Combination, at: DocumentPath): Filled {
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
    interpolations.push({ path, expression: `matrix.${expression}`, from: [...found.path, ...parts] });
    return { value: value.value };
  };
  const fill = (value: unknown, path: DocumentPath): unknown => {
    if (typeof value === "string") {
      if (!value.includes("${")) return value;
      const whole = /^\$\{\s*matrix\.([^}]*?)\s*\}$/.exec(value);
      if (whole !== null) return lookUp(whole[1]!, path)?.value;
      return value.replaceAll(EXPRESSION, (match, expression: string | undefined) => {
        if (expression === undefined) return match.slice(1);
        const found = lookUp(expression, path);
        return found === undefined ? match : String(found.value);
      });
    }
    if (Array.isArray(value)) return value.map((item, index) => fill(item, [...path, index]));
    if (!isRecord(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item, [...path, key])]));
  };
  return { value: fill(root, at), interpolations, unknown };
}

/** The axes that a value names in `${matrix.…}`. */
export function matrixAxesIn(value: unknown): Set<string> {
  const axes = new Set<string>();
  const visit = (each: unknown): void => {
    if (typeof each === "string") {
      for (const [, expression] of each.matchAll(EXPRESSION)) {
        if (expression !== undefined) axes.add(expression.split(".")[0]!);
      }
    } else if (typeof each === "object" && each !== null) Object.values(each).forEach(visit);
  };
  visit(value);
  return axes;
}

/** `train@${matrix.at}` as `train`: which stage it is does not depend on the axis. */
export function withoutExtent(reference: string): string {
  return reference.replace(/@\$\{matrix\.\w+\}/, "");
}
