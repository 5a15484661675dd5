import { z } from "zod";

/**
 * What a stage param means to the cache.
 * - `identity`: part of every key. The default.
 * - `extent`: how far to go (`train.steps`, `sample.count`). In the keys of the result, not in the key of its progress,
 *   so that a longer run continues a shorter one.
 * - `execution`: how to compute (device, threads). In no key: it must not change what the result means.
 * - `external`: the path of a file. Its content is in the key, the path is not.
 */
export type ParamRole = "identity" | "extent" | "execution" | "external";

interface ParamMeta {
  readonly role?: ParamRole;
  readonly legacy?: unknown;
}

const paramMeta = z.registry<ParamMeta>();

/** Mark a param as an extent: a positive whole number that a longer run may raise. Apply it last, after `.default()`. */
export function extent<T extends z.ZodType>(schema: T): T {
  paramMeta.add(schema, { role: "extent" });
  return schema;
}

/** Mark a param as execution-only. Apply it last, after `.default()`. */
export function execution<T extends z.ZodType>(schema: T): T {
  paramMeta.add(schema, { role: "execution" });
  return schema;
}

/** Mark a string param as the path of a file that the stage reads. Apply it last. */
export function externalFile<T extends z.ZodType>(schema: T): T {
  paramMeta.add(schema, { role: "external" });
  return schema;
}

/**
 * Mark a param that was added after its kind was released. `value` is what the older code did, frozen for ever:
 * results made before the param existed stay valid exactly where the param equals it. Apply it last.
 */
export function legacy<T extends z.ZodType>(schema: T, value: unknown): T {
  paramMeta.add(schema, { legacy: value });
  return schema;
}

/** Role and legacy value of each top-level param that has one. Params that are missing here are plain identity params. */
export type ParamRoles = Readonly<Record<string, ParamMeta>>;

/** Read the roles of a kind's params from its schema. Roles count on top-level params only. */
export function rolesOf(params: z.ZodObject): ParamRoles {
  const roles: Record<string, ParamMeta> = {};
  for (const [name, schema] of Object.entries(params.shape)) {
    const meta = paramMeta.get(schema as z.ZodType);
    if (meta !== undefined) roles[name] = meta;
  }
  return roles;
}
