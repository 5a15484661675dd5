import { z } from "zod";
import type { ParamMeta, ParamRole } from "./param_issue.ts";
import { type Def, defOf } from "./zod_def.ts";

/** A Zod schema, reduced to its types. */
export interface Schema<Value = unknown> {
  /** Zod's field with the types of its input and output. */
  readonly _zod: { readonly input: Value; readonly output: Value };
}

/** A place within a param: keys and positions, with null for every item of a list or map. */
export type Place = readonly (string | null)[];

const paramMeta = z.registry<{ readonly roles?: readonly ParamRole[]; readonly legacy?: unknown }>();

function mark<T extends Schema>(schema: T, role: ParamRole): T {
  const param = schema as unknown as z.ZodType;
  const meta = paramMeta.get(param);
  paramMeta.add(param, { ...meta, roles: [...new Set([...meta?.roles ?? [], role])] });
  return schema;
}

/** Marks a param as an extent: a positive whole number that a longer run may raise. */
export function extent<T extends Schema>(schema: T): T {
  return mark(schema, "extent");
}

/** Marks a param as execution-only. */
export function execution<T extends Schema>(schema: T): T {
  return mark(schema, "execution");
}

/**
 * Marks a string as the path of a file that the stage reads: a param, or a part of one, as in a list or map of files.
 */
export function externalFile<T extends Schema>(schema: T): T {
  return mark(schema, "external");
}

/**
 * Marks a param that was added after its kind was released. `value` is what the older code did, frozen for ever:
 * results made before the param existed stay valid exactly where the param equals it.
 */
export function legacy<T extends Schema>(schema: T, value: unknown): T {
  const param = schema as unknown as z.ZodType;
  paramMeta.add(param, { ...paramMeta.get(param), legacy: value });
  return schema;
}

/**
 * Role and legacy value of each top-level param that has one. Params that are missing here are plain identity params.
 */
export type ParamRoles = Readonly<Record<string, ParamMeta>>;

const ANYTHING = ["any", "unknown", "custom", "transform", "lazy", "promise", "function"];
const TEXTS = ["string", "enum", "template_literal", ...ANYTHING];

/**
 * How a schema relates to a param: it is the param itself, whatever wraps it; a part or an alternative of it; or no
 * part of it.
 */
type Scope = "whole" | "part" | "hidden";

type Part = readonly [schema: z.ZodType | null | undefined, place: Place, scope: Scope];

/**
 * Returns the schemas that a schema contains. Keys, and the input of a transform, are not part of the resulting param.
 */
function partsOf({ type, getter, options = [], items = [], shape = {}, ...def }: Def): Part[] {
  const parts = (scope: Scope, place: Place, schemas: readonly Part[0][]) =>
    schemas.map((schema): Part => [schema, place, scope]);
  return [
    ...parts("whole", [], [def.innerType, def.out, type === "lazy" ? getter?.() : undefined]),
    ...parts("hidden", [], [def.in, def.keyType]),
    ...parts("part", [], [def.left, def.right, ...options]),
    ...parts("part", [null], [def.element, def.valueType, def.rest, def.catchall]),
    ...[...Object.entries(items), ...Object.entries(shape)].flatMap(([key, one]) => parts("part", [key], [one])),
  ];
}

/** Reads the roles in one param, and why some of them cannot be kept. */
function readParam(name: string, param: z.ZodType): { readonly meta: ParamMeta; readonly problems: Iterable<string> } {
  let meta: ParamMeta = {};
  const files: Place[] = [];
  /** The places where texts other than paths may stand, and those where anything may. */
  const texts: { readonly at: Place; readonly anything: boolean }[] = [];
  const open = new Set<z.ZodType>();
  let recursive = false;
  const problems = new Set<string>();
  const refuse = (message: string) => problems.add(`param "${name}": ${message}`);

  const take = (role: ParamRole) => {
    if (meta.role !== undefined && meta.role !== role) refuse(`it cannot be ${meta.role} and ${role}`);
    meta = { ...meta, role };
  };
  const visit = (schema: z.ZodType, at: Place, scope: Scope): void => {
    if (open.has(schema)) {
      recursive = true;
      return;
    }
    const def = defOf(schema);
    const { roles = [], ...legacy } = paramMeta.get(schema) ?? {};
    const marks = [...roles, ...Object.keys(legacy)];
    if (scope === "hidden" && marks.length > 0) {
      refuse("what is transformed, and keys of maps, can have no role");
    }
    for (const mark of scope === "part" ? marks : []) {
      if (mark !== "external") refuse(`${mark}(…) counts on a whole param, not on a part of it`);
    }
    if (scope === "whole") meta = { ...meta, ...legacy };
    roles.forEach(take);
    const isText = TEXTS.includes(def.type) || def.values?.some((one) => typeof one === "string") === true;
    if (roles.includes("external")) {
      if (!TEXTS.includes(baseType(def))) refuse("externalFile(…) belongs around the text that is the path");
      files.push(at);
      return;
    }
    if (isText && scope !== "hidden") texts.push({ at, anything: ANYTHING.includes(def.type) });
    open.add(schema);
    for (const [part, place, inner] of partsOf(def)) {
      if (part) visit(part, [...at, ...place], scope === "hidden" || inner === "whole" ? scope : inner);
    }
    open.delete(schema);
    if ((def.type === "map" || def.type === "set") && meta.role !== undefined) refuse("a Map or Set cannot be a param");
  };
  visit(param, [], "whole");

  for (const at of files) {
    const clash = texts.some((one) =>
      (one.anything ? one.at.length <= at.length : one.at.length === at.length) &&
      one.at.every((part, index) => part === null || at[index] === null || part === at[index])
    );
    if (clash) refuse("a text there may be a path or something else: let only paths be texts there");
  }
  if (files.length > 0 && recursive) refuse("a file in a schema that holds itself cannot be found");
  if (files.length > 0 && name.includes("[")) refuse("a param with files needs a name without [");
  const isPath = files.length === 1 && files[0]!.length === 0;
  return { meta: files.length === 0 || isPath ? meta : { ...meta, files }, problems };
}

/** Returns the type below optional, default and the like. */
function baseType({ type, innerType, out }: Def): string {
  const inner = innerType ?? out;
  return inner === undefined ? type : baseType(defOf(inner));
}

/** Reads the roles of a kind's params from its schema, and why some of them cannot be kept. */
export function readRoles(params: z.ZodObject) {
  const read = Object.entries(params.shape).map(([name, schema]) =>
    [name, readParam(name, schema as z.ZodType)] as const
  );
  const problems = read.flatMap(([, param]) => [...param.problems]);
  const roles = read.map(([name, { meta }]) => [name, meta] as const).filter(([, meta]) =>
    Object.keys(meta).length > 0
  );
  const extents = roles.filter(([, { role }]) => role === "extent").map(([name]) => name);
  if (extents.length > 1) problems.push(`${extents.join(" and ")} cannot both be extents`);
  return { roles: Object.fromEntries(roles), problems };
}

/** Reads the roles of a kind's params. Throws on a schema whose roles cannot be kept. */
export function rolesOf(params: z.ZodObject): ParamRoles {
  const { roles, problems } = readRoles(params);
  if (problems.length > 0) throw new Error(problems.join("; "));
  return roles;
}

/** Returns a param with other texts in place of its paths. */
export function mapFiles(
  value: unknown,
  { role, files = [[]] }: ParamMeta,
  replace: (path: string, at: readonly (string | number)[]) => unknown,
): unknown {
  const map = (part: unknown, places: readonly Place[], at: readonly (string | number)[]): unknown => {
    if (places.length === 0) return part;
    if (typeof part === "string") return places.some(({ length }) => length === 0) ? replace(part, at) : part;
    const below = (key: string) =>
      places.filter(([first]) => first === null || first === key).map((place) => place.slice(1));
    if (Array.isArray(part)) return part.map((each, index) => map(each, below(String(index)), [...at, index]));
    if (typeof part !== "object" || part === null) return part;
    return Object.fromEntries(Object.entries(part).map(([key, each]) => [key, map(each, below(key), [...at, key])]));
  };
  return role === "external" ? map(value, files, []) : value;
}
