import type { DownloadExternal, NpmExternal } from "../../../contract/stage.ts";
import type { Kind } from "../../keys/kind.ts";
import type { Stage } from "../../keys/stage.ts";
import type { Pipeline } from "../pipeline.ts";
import { isRecord } from "../source/tree.ts";

type KindData = Omit<Kind, "validate" | "check" | "externals" | "downloads" | "device" | "map">;

/**
 * A resolved pipeline as JSON. Stages and pipeline are kept whole, whatever fields they have; kinds, which many stages
 * share, are kept once and without their functions, whose answers stand in their place.
 */
export interface KeptPipeline {
  readonly pipeline: Omit<Pipeline, "stages" | "families" | "leftOut" | "origins">;
  readonly kinds: readonly KindData[];
  readonly stages: readonly (Omit<Stage, "kind"> & { readonly kind: number })[];
  readonly families: readonly (readonly [string, readonly string[]])[];
  readonly leftOut: readonly (readonly [string, string])[];
  /** What kinds say of the outside of their stages, by index of the stage. */
  readonly outside: readonly (readonly [number, readonly NpmExternal[] | null, readonly DownloadExternal[] | null])[];
}

/** Whether JSON gives back what it is given; of absent and undefined it makes one, as all readers do. */
export function isJsonSafe(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0);
  if (typeof value === "string" || typeof value === "boolean" || value === null) return true;
  if (Array.isArray(value)) return value.every(isJsonSafe);
  if (!isRecord(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  return Object.values(value).every((each) => each === undefined || isJsonSafe(each));
}

function withoutFunctions(kind: Kind): KindData {
  return Object.fromEntries(Object.entries(kind).filter(([, value]) => typeof value !== "function")) as KindData;
}

/** Undefined where JSON could not carry it. */
export function packPipeline(pipeline: Pipeline): KeptPipeline | undefined {
  const { stages, families, leftOut, origins: _origins, ...rest } = pipeline;
  const kinds = [...new Set([...stages.values()].map(({ kind }) => kind))];
  const places = new Map(kinds.map((kind, index) => [kind, index]));
  const all = [...stages.values()];
  const kept: KeptPipeline = {
    pipeline: rest,
    kinds: kinds.map(withoutFunctions),
    stages: all.map((stage) => ({ ...stage, kind: places.get(stage.kind)! })),
    families: [...families],
    leftOut: [...leftOut],
    outside: all.flatMap(({ kind, params }, index) => {
      if (kind.externals === undefined && kind.downloads === undefined) return [];
      return [[index, kind.externals?.(params) ?? null, kind.downloads?.(params) ?? null] as const];
    }),
  };
  return isJsonSafe(kept) ? kept : undefined;
}

/**
 * The pipeline that was packed, to find out whether there is anything to do. It knows no origins and no devices, and
 * its kinds check nothing: what runs or explains needs the file.
 */
export function unpackPipeline(kept: KeptPipeline): Pipeline {
  const outside = new Map<object, readonly [readonly NpmExternal[] | null, readonly DownloadExternal[] | null]>();
  for (const [index, ...answers] of kept.outside) outside.set(kept.stages[index]!.params, answers);
  const kinds = kept.kinds.map((data): Kind => ({
    ...data,
    validate: () => {
      throw new Error(`Cannot happen: params of a kept ${data.name} are validated`);
    },
    externals: (params) => outside.get(params)?.[0] ?? [],
    downloads: (params) => outside.get(params)?.[1] ?? [],
  }));
  return {
    ...kept.pipeline,
    stages: new Map(kept.stages.map((stage) => [stage.id, { ...stage, kind: kinds[stage.kind]! } as Stage])),
    families: new Map(kept.families),
    leftOut: new Map(kept.leftOut),
    origins: { locate: () => undefined, explain: () => [""] },
  };
}
