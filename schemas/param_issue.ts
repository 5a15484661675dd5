import { z } from "zod";

/** A Zod issue as plain data, so that it can come from another process too. */
export const paramIssueSchema = z.strictObject({
  code: z.string(),
  path: z.array(z.union([z.string(), z.number()])).readonly(),
  message: z.string(),
  input: z.unknown().optional(),
  /** Keys that the schema does not have, for `unrecognized_keys`. */
  keys: z.array(z.string()).exactOptional(),
  /** Keys that the schema has at that place, for `unrecognized_keys`. */
  known: z.array(z.string()).exactOptional(),
  /** Valid values, for `invalid_value`. */
  values: z.array(z.string()).exactOptional(),
  /** Advice, where it does not follow from the rest. */
  fix: z.string().exactOptional(),
});

export type ParamIssue = z.output<typeof paramIssueSchema>;

/** Valid params, as the schema of their kind outputs them. */
export const acceptedSchema = z.strictObject({ ok: z.literal(true), value: z.record(z.string(), z.unknown()) });

/** Valid params, or the issues of invalid ones. */
export type ParamsOutcome = z.output<typeof acceptedSchema> | { readonly ok: false; readonly issues: ParamIssue[] };

/**
 * The meaning of a stage param to the cache.
 * - `identity`: part of every key. The default.
 * - `extent`: how far to go (`train.steps`, `sample.count`). In the keys of the result, not in the key of its progress,
 *   so that a longer run continues a shorter one.
 * - `execution`: how to compute (device, threads). In no key: it must not change what the result means.
 * - `external`: the path of a file. Its content is in the key, the path is not.
 */
const roleSchema = z.enum(["identity", "extent", "execution", "external"]);

export type ParamRole = z.output<typeof roleSchema>;

/** Role and legacy value of a top-level param. */
export const paramMetaSchema = z.strictObject({
  role: roleSchema.exactOptional(),
  legacy: z.unknown().exactOptional(),
  /** For the role `external`: the places of paths within the param, if the param is not a path itself. */
  files: z.array(z.array(z.string().nullable()).readonly()).readonly().exactOptional(),
});

export type ParamMeta = z.output<typeof paramMetaSchema>;

/** A param, described to a person or a program. */
export const paramDescriptionSchema = z.strictObject({
  name: z.string(),
  type: z.string(),
  fallback: z.unknown().optional(),
  role: roleSchema,
  description: z.string(),
});

export type ParamDescription = z.output<typeof paramDescriptionSchema>;
