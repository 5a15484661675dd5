import type { z } from "zod";
import { rolesOf } from "../../schemas/roles.ts";
import type { BuiltinKind } from "../../stages/contract.ts";
import type { Kind, ParamIssue, ParamsOutcome } from "../kind.ts";
import { noteLocated } from "./read_log.ts";

/** Zod's issues as plain data. `input` is the offending value where Zod reports it. */
export function toParamIssues(error: z.ZodError, schema: z.ZodType): ParamIssue[] {
  const plain = (issue: z.core.$ZodIssue, prefix: readonly (string | number)[]): ParamIssue[] => {
    const path = [...prefix, ...issue.path.map((part) => typeof part === "symbol" ? String(part) : part)];
    if (issue.code === "invalid_union") {
      // Of the alternatives, the one that got furthest is the one that the user meant.
      const deepest = [...issue.errors].sort((a, b) => depth(b) - depth(a))[0];
      if (deepest !== undefined && depth(deepest) > 0) return deepest.flatMap((inner) => plain(inner, path));
    }
    const more = issue.code === "unrecognized_keys"
      ? { keys: issue.keys, known: keysAt(schema, path) }
      : issue.code === "invalid_value"
      ? { values: issue.values.map(String) }
      : {};
    return [{ code: issue.code, path, message: issue.message, input: issue.input, ...more }];
  };
  return error.issues.flatMap((issue) => plain(issue, []));
}

/** Below defaults and other wrappers, the schema of a value; a record's or list's schema for each of its values. */
function innerSchemas(schema: z.core.$ZodType): z.core.$ZodType[] {
  const def = schema._zod.def as unknown as {
    type: string;
    innerType?: z.core.$ZodType;
    in?: z.core.$ZodType;
    options?: z.core.$ZodType[];
  };
  if (def.innerType !== undefined) return innerSchemas(def.innerType);
  if (def.type === "pipe" && def.in !== undefined) return innerSchemas(def.in);
  if (def.options !== undefined) return def.options.flatMap(innerSchemas);
  return [schema];
}

/** The keys that a schema has at a path, over all alternatives of its unions. */
function keysAt(schema: z.core.$ZodType, path: readonly (string | number)[]): string[] {
  const [first, ...rest] = path;
  const found = innerSchemas(schema).flatMap((inner) => {
    const { shape, valueType, element } = inner._zod.def as unknown as {
      shape?: Record<string, z.core.$ZodType>;
      valueType?: z.core.$ZodType;
      element?: z.core.$ZodType;
    };
    if (first === undefined) return Object.keys(shape ?? {});
    const next = shape?.[first] ?? valueType ?? element;
    return next === undefined ? [] : keysAt(next, rest);
  });
  return [...new Set(found)];
}

function depth(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length));
}

/** Validate params against a Zod schema, as data in and data out. */
export function validateParams(schema: z.ZodObject, raw: unknown): ParamsOutcome {
  const outcome = schema.safeParse(raw, { reportInput: true });
  return outcome.success
    ? { ok: true, params: outcome.data as Record<string, unknown> }
    : { ok: false, issues: toParamIssues(outcome.error, schema) };
}

/** Located files become params like those that the user gave, so that all that follows treats them alike. */
function validateBuiltin(builtin: BuiltinKind, raw: unknown): ParamsOutcome {
  const outcome = validateParams(builtin.params, raw);
  if (!outcome.ok || builtin.locate === undefined) return outcome;
  const found = builtin.locate(outcome.params);
  noteLocated({ kind: builtin.kind, params: outcome.params, found });
  return { ok: true, params: { ...outcome.params, ...found } };
}

/** A kind that comes with the toolkit, as the engine sees it. */
export function fromBuiltin(builtin: BuiltinKind): Kind {
  return {
    name: builtin.kind,
    version: `${builtin.kind}/${builtin.version}`,
    custom: false,
    summary: builtin.summary,
    inputs: builtin.inputs,
    outputs: builtin.outputs,
    seeded: builtin.seeded ?? false,
    permissions: builtin.permissions ?? {},
    resources: builtin.resources ?? {},
    runs: builtin.runs,
    entry: builtin.entry,
    roles: rolesOf(builtin.params),
    validate: (raw) => validateBuiltin(builtin, raw),
    ...(builtin.check === undefined ? {} : { check: builtin.check }),
    ...(builtin.externals === undefined ? {} : { externals: builtin.externals }),
    ...(builtin.downloads === undefined ? {} : { downloads: builtin.downloads }),
    ...(builtin.slots === undefined ? {} : { slots: builtin.slots }),
    ...(builtin.pairs === undefined ? {} : { pairs: builtin.pairs }),
    ...(builtin.device === undefined ? {} : { device: builtin.device }),
  };
}
