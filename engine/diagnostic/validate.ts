import type { z } from "zod";
import { defOf, wantedBy } from "../../schemas/zod_def.ts";
import { didYouMean } from "../../std/did_you_mean.ts";
import type { ParamIssue } from "../../schemas/param_issue.ts";

/** The most issues that are reported; with more, the first ones say enough. */
const MAX_ISSUES = 100;

/** Validates a value. @returns the schema's output, or Zod's issues as plain data */
export function validate<S extends z.ZodType>(
  schema: S,
  raw: unknown,
): { readonly ok: true; readonly value: z.output<S> } | { readonly ok: false; readonly issues: ParamIssue[] } {
  try {
    const outcome = schema.safeParse(raw, { reportInput: true });
    if (outcome.success) return { ok: true, value: outcome.data };
    return { ok: false, issues: outcome.error.issues.slice(0, MAX_ISSUES).flatMap((one) => toIssues(one, [], schema)) };
  } catch (error) {
    // Zod passes lists of issues as function arguments, of which the stack holds some hundred thousand.
    if (!(error instanceof RangeError)) throw error;
    return {
      ok: false,
      issues: [{ code: "custom", path: [], message: "fewer values that are not valid", input: raw }],
    };
  }
}

/** Converts one of Zod's issues. `input` is the offending value where Zod reports it. */
function toIssues(issue: z.core.$ZodIssue, prefix: readonly (string | number)[], schema: z.ZodType): ParamIssue[] {
  const path = [...prefix, ...issue.path.map((part) => typeof part === "symbol" ? String(part) : part)];
  const { code, message, input } = issue;
  if (code === "unrecognized_keys") {
    return [{ code, path, message, input, keys: issue.keys, known: keysAt(schema, path) }];
  }
  if (code === "invalid_value") return [{ code, path, message, input, values: issue.values.map(String) }];
  if (code === "invalid_key") return [{ code, path, message: issue.issues[0]?.message ?? message, input: path.at(-1) }];
  if (code !== "invalid_union") return [{ code, path, message, input }];
  if (!issue.inclusive && issue.discriminator !== undefined) {
    // The issue's path leads to the discriminator; its input is the object that has the discriminator.
    const values = ((issue as { options?: unknown[] }).options ?? []).map(String);
    const written = (input as Record<string, unknown> | undefined)?.[issue.discriminator];
    const near = written === undefined ? didYouMean(issue.discriminator, Object.keys(Object(input))) : undefined;
    if (near !== undefined) {
      const known = [issue.discriminator];
      return [{ code: "unrecognized_keys", path: path.slice(0, -1), message, input, keys: [near], known }];
    }
    return [{ code: "invalid_value", path, message: `expected one of ${values.join(", ")}`, input: written, values }];
  }
  // The alternative that got furthest is the one that the user meant.
  const [meant] = [...issue.errors].sort((a, b) => depth(b) - depth(a) || a.length - b.length);
  if (meant !== undefined && depth(meant) > 0) return meant.flatMap((inner) => toIssues(inner, path, schema));
  const all = issue.errors.flat();
  const values = all.flatMap((one) => one.code === "invalid_value" ? one.values.map(String) : []);
  const wanted = [...new Set(all.map((one) => wantedBy(one.message)))].join(", or ");
  return [{ code, path, message: wanted, input, ...(values.length === 0 ? {} : { values }) }];
}

/** Returns the schema below defaults and other wrappers, or the schemas of its alternatives. */
function innerSchemas(schema: z.ZodType): z.ZodType[] {
  const { type, innerType, in: from, options } = defOf(schema);
  const inner = innerType ?? (type === "pipe" ? from : undefined);
  return (inner === undefined ? options : [inner])?.flatMap(innerSchemas) ?? [schema];
}

/** Returns the keys that a schema has at a path, over all alternatives of its unions. */
function keysAt(schema: z.ZodType, path: readonly (string | number)[]): string[] {
  const [first, ...rest] = path;
  const found = innerSchemas(schema).flatMap((inner) => {
    const { shape = {}, valueType, element } = defOf(inner);
    if (first === undefined) return Object.keys(shape);
    const next = shape[first] ?? valueType ?? element;
    return next === undefined ? [] : keysAt(next, rest);
  });
  return [...new Set(found)];
}

/** Returns how far an alternative got. One that only has unknown keys is of the right type, unlike others. */
function depth(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map(({ path, code }) => path.length + (code === "unrecognized_keys" ? 1 : 0)));
}
