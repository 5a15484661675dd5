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
  /** Of role `external`: where the paths stand in the param, where it is not a path itself. */
  readonly files?: readonly Place[];
}

/** A place within a param: keys and positions, and null for each item of a list or map. */
export type Place = readonly (string | null)[];

const paramMeta = z.registry<{ readonly roles?: readonly ParamRole[]; readonly legacy?: unknown }>();

function mark<T extends z.ZodType>(schema: T, role: ParamRole): T {
  const meta = paramMeta.get(schema);
  paramMeta.add(schema, { ...meta, roles: [...new Set([...meta?.roles ?? [], role])] });
  return schema;
}

/** Mark a param as an extent: a positive whole number that a longer run may raise. */
export function extent<T extends z.ZodType>(schema: T): T {
  return mark(schema, "extent");
}

/** Mark a param as execution-only. */
export function execution<T extends z.ZodType>(schema: T): T {
  return mark(schema, "execution");
}

/** Mark a string as the path of a file that the stage reads: a param, or a part of one, as in a list or map of files. */
export function externalFile<T extends z.ZodType>(schema: T): T {
  return mark(schema, "external");
}

/**
 * Mark a param that was added after its kind was released. `value` is what the older code did, frozen for ever:
 * results made before the param existed stay valid exactly where the param equals it.
 */
export function legacy<T extends z.ZodType>(schema: T, value: unknown): T {
  paramMeta.add(schema, { ...paramMeta.get(schema), legacy: value });
  return schema;
}

/** Role and legacy value of each top-level param that has one. Params that are missing here are plain identity params. */
export type ParamRoles = Readonly<Record<string, ParamMeta>>;

/** What Zod says of a schema that holds others; which of these it has depends on its type. */
type Def =
  & { readonly type: string; readonly getter?: () => z.ZodType; readonly values?: readonly unknown[] }
  & Partial<
    Record<
      "innerType" | "in" | "out" | "left" | "right" | "element" | "keyType" | "valueType" | "rest" | "catchall",
      z.ZodType
    >
  >
  & Partial<Record<"options" | "items", readonly z.ZodType[]>>
  & { readonly shape?: Readonly<Record<string, z.ZodType>> };

const ANYTHING = ["any", "unknown", "custom", "transform", "lazy", "promise", "function"];
const TEXTS = ["string", "enum", "template_literal", ...ANYTHING];

/** The roles in one param, and why some of them cannot be kept. */
class ParamReader {
  role: ParamRole | undefined;
  legacy: { readonly legacy?: unknown } = {};
  readonly files: Place[] = [];
  readonly problems: string[] = [];
  readonly #name: string;
  /** Where other texts than paths may stand, and where anything may. */
  readonly #texts: { readonly at: Place; readonly anything: boolean }[] = [];
  readonly #open = new Set<z.ZodType>();
  #recursive = false;
  #hidden = false;
  #marks = 0;

  constructor(name: string, schema: z.ZodType) {
    this.#name = name;
    this.#visit(schema, [], true);
    for (const at of this.files) {
      const clash = this.#texts.some((one) =>
        (one.anything ? one.at.length <= at.length : one.at.length === at.length) &&
        one.at.every((part, index) => part === null || at[index] === null || part === at[index])
      );
      if (clash) this.#refuse("a text there may be a path or not: give what is no path another type");
    }
    if (this.files.length > 0 && this.#recursive) this.#refuse("a file in a schema that holds itself cannot be found");
    if (this.files.length > 0 && name.includes("[")) this.#refuse("a param with files needs a name without [");
  }

  #refuse(message: string): void {
    const text = `param "${this.#name}": ${message}`;
    if (!this.problems.includes(text)) this.problems.push(text);
  }

  /** @param whole whether this is the param itself, whatever wraps it, not a part or one of several alternatives */
  #visit(schema: z.ZodType, at: Place, whole: boolean): void {
    if (this.#open.has(schema)) {
      this.#recursive = true;
      return;
    }
    const def = schema._zod.def as unknown as Def;
    const { roles = [], ...legacy } = paramMeta.get(schema) ?? {};
    this.#take(roles, legacy, at, { whole, isText: TEXTS.includes(baseType(def)) });
    this.#open.add(schema);
    if (!roles.includes("external")) this.#visitParts(def, at, whole);
    this.#open.delete(schema);
  }

  #take(
    roles: readonly ParamRole[],
    legacy: { readonly legacy?: unknown },
    at: Place,
    { whole, isText }: { readonly whole: boolean; readonly isText: boolean },
  ): void {
    this.#marks += roles.length + Object.keys(legacy).length;
    for (const role of roles) {
      if (role === "external" && !isText) this.#refuse("externalFile(…) belongs around the text that is the path");
      if (role === "external") this.files.push(at);
      else if (!whole) this.#refuse(`${role}(…) counts on a whole param, not on a part of it`);
      if ((this.role ?? role) !== role) this.#refuse(`it cannot be ${this.role} and ${role}`);
      this.role = role;
    }
    if (!("legacy" in legacy)) return;
    if (whole) this.legacy = legacy;
    else this.#refuse("legacy(…) counts on a whole param, not on a part of it");
  }

  /** What does not come out as a part of the param must have no roles. */
  #visitHidden(schema: z.ZodType, at: Place): void {
    const before = [this.#hidden, this.#marks] as const;
    this.#hidden = true;
    this.#visit(schema, at, false);
    this.#hidden = before[0];
    if (this.#marks > before[1]) this.#refuse("what is transformed, and keys of maps, can have no role");
  }

  #visitParts(def: Def, at: Place, whole: boolean): void {
    const isText = TEXTS.includes(def.type) || def.values?.some((one) => typeof one === "string") === true;
    if (isText && !this.#hidden) this.#texts.push({ at, anything: ANYTHING.includes(def.type) });
    if (def.innerType !== undefined) this.#visit(def.innerType, at, whole);
    if (def.type === "lazy" && def.getter !== undefined) this.#visit(def.getter(), at, whole);
    if (def.out !== undefined) this.#visit(def.out, at, whole);
    for (const one of [def.in, def.keyType]) if (one !== undefined) this.#visitHidden(one, at);
    for (const one of [def.left, def.right, ...def.options ?? []]) if (one !== undefined) this.#visit(one, at, false);
    for (const one of [def.element, def.valueType, def.rest, def.catchall]) {
      if (one !== undefined && one !== null) this.#visit(one, [...at, null], false);
    }
    for (const [key, one] of [...Object.entries(def.items ?? []), ...Object.entries(def.shape ?? {})]) {
      this.#visit(one, [...at, key], false);
    }
    const unread = def.type === "map" || def.type === "set";
    if (unread && this.role !== undefined) this.#refuse("a Map or Set cannot be a param");
  }
}

/** The type below optional, default and the like. */
function baseType({ type, innerType, out }: Def): string {
  const inner = innerType ?? out;
  return inner === undefined ? type : baseType(inner._zod.def as unknown as Def);
}

/** Read the roles of a kind's params from its schema, and what keeps some from being kept. */
export function readRoles(
  params: z.ZodObject,
): { readonly roles: ParamRoles; readonly problems: readonly string[] } {
  const roles = new Map<string, ParamMeta>();
  const problems: string[] = [];
  for (const [name, schema] of Object.entries(params.shape)) {
    const { role, legacy, files, problems: found } = new ParamReader(name, schema as z.ZodType);
    problems.push(...found);
    const isPath = files.length === 1 && files[0]!.length === 0;
    if (role === undefined && !("legacy" in legacy)) continue;
    roles.set(name, {
      ...(role === undefined ? {} : { role }),
      ...legacy,
      ...(files.length === 0 || isPath ? {} : { files }),
    });
  }
  const extents = [...roles].filter(([, { role }]) => role === "extent").map(([name]) => name);
  if (extents.length > 1) problems.push(`${extents.join(" and ")} cannot both be extents`);
  return { roles: Object.fromEntries(roles), problems };
}

/** Read the roles of a kind's params. Throws on a schema whose roles cannot be kept. */
export function rolesOf(params: z.ZodObject): ParamRoles {
  const { roles, problems } = readRoles(params);
  if (problems.length > 0) throw new Error(problems.join("; "));
  return roles;
}

/** A param with other texts in the place of its paths. */
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
