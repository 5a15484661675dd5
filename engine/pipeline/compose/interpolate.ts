import type { Problem } from "../../diagnostic/diagnostic.ts";
import { suggestName } from "../../diagnostic/did_you_mean.ts";
import { Budget, MAX_DEPTH, measure, TOO_DEEP } from "../source/budget.ts";
import type { DocumentPath } from "../../diagnostic/document.ts";
import { getPath, isRecord } from "../source/tree.ts";

/** A `${…}` that was replaced: where it stands and what it named, for origin chains. */
export interface Interpolation {
  readonly path: DocumentPath;
  readonly expression: string;
  /** Document path of the value that it took. */
  readonly from: DocumentPath;
}

/** A problem whose place in the file the caller fills in. */
export interface PlacedProblem {
  readonly path: DocumentPath;
  readonly problem: Problem;
}

const MAX_TEXT = 100_000;
/** Of vars that name each other; the stack holds some thousands. */
const MAX_CHAIN = 500;
/** With so much wrong, looking further takes time and tells nothing. */
const MAX_PROBLEMS = 20;
const EXPRESSION = /\$\$\{|\$\{([^}]*)\}/g;

function refusal(message: string, fix: string): Problem {
  return { code: "interpolation", message, fix };
}

/**
 * Replace every `${vars.x}`, `${name}` and `${seed}`. A string that is one expression takes the value with its type;
 * within longer text it is written as text. `$${` stands for a plain `${`. There is no access to the environment:
 * a pipeline means the same on every machine.
 */
export function interpolate(root: unknown, budget: Budget = new Budget()): {
  value: unknown;
  interpolations: Interpolation[];
  problems: PlacedProblem[];
  /** Whether `${matrix.…}` stands somewhere: it is left for `fillMatrix`. */
  usesMatrix: boolean;
} {
  const interpolations: Interpolation[] = [];
  const problems: PlacedProblem[] = [];
  const reported = new Set<string>();
  const resolved = new Map<string, unknown>();
  let usesMatrix = false;

  const lookUp = (expression: string, path: DocumentPath, stack: readonly string[]): unknown => {
    if (problems.length >= MAX_PROBLEMS || budget.spent) return undefined;
    const name = expression.trim();
    // Values of a matrix differ from child to child; each child fills in its own.
    if (name.startsWith("matrix.")) {
      usesMatrix = true;
      return `\${${name}}`;
    }
    const parts = name.split(".");
    const report = (message: string, fix: string): undefined => {
      // Of vars that nest each other, one is enough.
      const key = message === TOO_DEEP ? message : `${JSON.stringify(path)} ${message}`;
      if (!reported.has(key)) problems.push({ path, problem: refusal(message, fix) });
      reported.add(key);
      return undefined;
    };
    if (parts[0] !== "vars" && name !== "name" && name !== "seed") {
      return report(
        `cannot resolve \${${expression}}`,
        "use ${vars.…}, ${matrix.…}, ${name} or ${seed}; nothing else is available",
      );
    }
    if (stack.includes(name)) {
      return report(`interpolation cycle: ${[...stack, name].join(" -> ")}`, "give one of these vars a plain value");
    }
    if (stack.length >= MAX_CHAIN) return report(`more than ${MAX_CHAIN} vars name each other`, "nest fewer vars");
    if (path.length > MAX_DEPTH) return report(TOO_DEEP, "nest less");
    const found = getPath(root, parts);
    if (!found.found) {
      const vars = isRecord(root) && isRecord(root["vars"]) ? Object.keys(root["vars"]) : [];
      return report(`cannot resolve \${${expression}}: there is no such value`, suggestName(parts[1] ?? "", vars));
    }
    interpolations.push({ path, expression: name, from: parts });
    // Each var is resolved once: vars that name others twice would otherwise take exponential time.
    const before = problems.length;
    const value = resolved.has(name) ? resolved.get(name) : replace(found.value, path, [...stack, name]);
    if (problems.length > before) return value;
    resolved.set(name, value);
    // Shared parts cost nothing here; whoever walks through the result meets each of them as often as it is named.
    if (path.length + measure(value).depth > MAX_DEPTH) return report(TOO_DEEP, "nest less");
    const refused = budget.take(value);
    return refused === undefined ? value : report(refused, "use fewer or smaller vars");
  };

  const replace = (value: unknown, path: DocumentPath, stack: readonly string[]): unknown => {
    if (typeof value === "string") {
      if (!value.includes("${")) return value;
      const whole = /^\$\{([^}]*)\}$/.exec(value);
      if (whole !== null) return lookUp(whole[1]!, path, stack);
      if (/(^|[^$])\$\{[^}]*$/.test(value)) {
        problems.push({ path, problem: refusal("${ has no closing }", "close it, or write $${ for a plain ${") });
        return value;
      }
      const text = value.replaceAll(EXPRESSION, (match, expression: string | undefined, at: number) => {
        if (expression === undefined) {
          const forMatrix = /^\s*matrix\./.test(value.slice(at + match.length));
          usesMatrix ||= forMatrix;
          return forMatrix ? match : match.slice(1);
        }
        const inner = lookUp(expression, path, stack);
        if (typeof inner === "object" && inner !== null) {
          problems.push({
            path,
            problem: refusal(`\${${expression}} is a list or a map and cannot be part of a text`, "use it alone"),
          });
          return match;
        }
        return String(inner);
      });
      if (text.length <= MAX_TEXT) return text;
      problems.push({ path, problem: refusal(`the text grows beyond ${MAX_TEXT} characters`, "nest fewer vars") });
      return value;
    }
    if (Array.isArray(value)) {
      let changed = false;
      const items = value.map((item, index) => {
        const next = replace(item, [...path, index], stack);
        changed ||= next !== item;
        return next;
      });
      return changed ? items : value;
    }
    if (isRecord(value)) {
      let changed: Record<string, unknown> | undefined;
      for (const [key, item] of Object.entries(value)) {
        if (typeof item === "number" || typeof item === "boolean" || item === null) continue;
        const next = replace(item, [...path, key], stack);
        if (next !== item) (changed ??= { ...value })[key] = next;
      }
      return changed ?? value;
    }
    return value;
  };

  return { value: replace(root, [], []), interpolations, problems, usesMatrix };
}
