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
  /** Values that would do, for `invalid_value`. */
  values: z.array(z.string()).exactOptional(),
});

export type ParamIssue = z.output<typeof paramIssueSchema>;

/** Params as a kind understands them, or what is wrong with them. */
export const paramsOutcomeSchema = z.union([
  z.strictObject({ ok: z.literal(true), params: z.record(z.string(), z.unknown()) }),
  z.strictObject({ ok: z.literal(false), issues: z.array(paramIssueSchema) }),
]);

export type ParamsOutcome = z.output<typeof paramsOutcomeSchema>;
