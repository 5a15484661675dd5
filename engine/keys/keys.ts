import { createHash } from "node:crypto";
import type { ArtifactRecord, FileEntry, Ingredients, Keep, ResultManifest } from "../../schemas/records.ts";
import { mapFiles } from "../../schemas/roles.ts";
import type { Action } from "./action.ts";
import type { Kind } from "./stage.ts";
import { compareCodeUnits, encode } from "./encode.ts";

/** The version of all keys. Raised when the meaning of keys changes; all older results then count as never made. */
const SCHEME = 1;

function hash(domain: string, value: unknown): string {
  return createHash("sha256").update(`noiseline/${domain}/${SCHEME}\n${encode(value)}`).digest("hex");
}

/** The part of a stage's keys that does not depend on other stages. */
export type LocalIngredients = Omit<Ingredients, "inputs">;

/**
 * Returns the params that enter keys. Execution params never do; the content of externals enters instead of their
 * paths. A param equal to its frozen `legacy` value is left out, so that results from before the param existed stay
 * valid.
 */
export function keyParams(kind: Kind, params: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const kept: Record<string, unknown> = Object.create(null);
  for (const [name, value] of Object.entries(withoutPaths(kind, params))) {
    const meta = Object.hasOwn(kind.roles, name) ? kind.roles[name]! : {};
    if (meta.role === "execution" || value === undefined) continue;
    if ("legacy" in meta && encode(meta.legacy) === encode(value)) continue;
    // A param that is only a path is left out. A param that holds paths keeps the rest, and the places of its paths.
    if (meta.role === "external" && typeof value === "string" && meta.files === undefined) continue;
    kept[name] = mapFiles(value, meta, () => null);
  }
  return kept;
}

/** Leaves out the paths of definitions that params name: the kind's version identifies their code. */
function withoutPaths({ userCode }: Kind, params: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const kept = { ...params };
  for (const { param } of userCode) {
    if (param === null) continue;
    const { uses: _, ...rest } = (param === "" ? kept : kept[param]) as Record<string, unknown>;
    if (param === "") return rest;
    kept[param] = rest;
  }
  return kept;
}

/** The keys of a stage that are known before anything runs. */
export interface ActionKeys {
  readonly local: LocalIngredients;
  /** From code, params, seed and externals alone: tells which stages could share results at all. */
  readonly localKey: string;
  /**
   * From the local key and the upstream recipe keys; with a mark where a result is kept that other code has made. What
   * reads this result has other recipe keys then, in this store and wherever they are sent.
   */
  readonly recipeKey: string;
  readonly keep?: Keep;
}

/** @param inputs by port, the recipe key and port of each artifact that the stage reads: `<key>.<port>` */
export function recipeKeyOf(local: LocalIngredients, inputs: Ingredients["inputs"]) {
  const localKey = hash("local", local);
  return { localKey, recipeKey: hash("recipe", { localKey, inputs }) };
}

/** Returns the ingredients that a stage itself adds to its keys, each with its reason. */
function localIngredients({ stage, share }: Action, externals: Ingredients["externals"]): LocalIngredients {
  const { kind, params, seed, inputs } = stage;
  const revision = kind.revision?.(params, Object.keys(inputs));
  return {
    // Two kinds make different things from the same params. A custom stage's file may be renamed: its code identifies
    // it.
    kind: kind.custom ? "custom" : kind.name,
    // The code: other code may give other bytes. For a built-in kind it is a number, so that editing a comment reruns
    // nothing. Where a revision changed the results of some params alone, the others keep their keys.
    version: revision === undefined ? kind.version : kind.version.replace(/(?= |$)/, `.${revision}`),
    // Only for kinds that draw random numbers: another seed leaves the results of all other kinds as they are.
    seed: kind.seeded ? seed : null,
    // The params that the user chose, except those that only say where or how to compute; and which part of a stage the
    // action computes, by a name that no param has.
    params: { ...keyParams(kind, params), ...share && { "~shard": [share.index, share.of] } },
    // Files read from outside, by content: the same path may hold other bytes tomorrow, and another path the same
    // bytes.
    externals,
  };
}

/**
 * Returns the keys of all actions, by id.
 * @param actions in the order of the graph, so that the keys of an action's inputs come first
 * @param externals the digests for every stage, by id
 * @param given results that these actions read and none of them makes
 * @param keeps the results that are kept, by the recipe that they serve for
 */
export function keysOfActions(
  actions: Iterable<Action>,
  externals: ReadonlyMap<string, Ingredients["externals"]>,
  given: ReadonlyMap<string, Pick<ActionKeys, "recipeKey">> = new Map(),
  keeps: ReadonlyMap<string, Keep> = new Map(),
) {
  const keys = new Map<string, ActionKeys>();
  const recipeOf = (id: string) => (keys.get(id) ?? given.get(id)!).recipeKey;
  for (const action of actions) {
    const { id, stage } = action;
    const upstream: Record<string, string[]> = {};
    for (const [port, bindings] of Object.entries(stage.inputs)) {
      upstream[port] = bindings.map((one) => `${recipeOf(one.stage)}.${one.port}`);
    }
    // Until its trial is chosen, a slot is keyed by its place and the metric that chooses.
    const { slot } = stage;
    if (slot) upstream["~slot"] = [...slot.rankings.map(recipeOf), `${slot.place} of ${slot.counts}`];
    const local = localIngredients(action, externals.get(stage.id) ?? {});
    const own = recipeKeyOf(local, upstream);
    const keep = keeps.get(own.recipeKey);
    keys.set(id, { local, ...own, ...keep && { keep, recipeKey: hash("kept", [own.recipeKey, keep.result]) } });
  }
  return keys;
}

/** Returns the key of a result, made of everything that could change its bytes, with inputs by content. */
export function resolvedKeyOf(localKey: string, inputs: Ingredients["inputs"]): string {
  return hash("resolved", { localKey, inputs });
}

/**
 * Returns the key of progress: the resolved key without the extent, so that a longer run continues a shorter one.
 * @param extent the name of the param that says how far to go, if the kind has one
 */
export function identityKeyOf(ingredients: Ingredients, extent: string | undefined): string {
  const params = Object.entries(ingredients.params).filter(([name]) => name !== extent);
  return hash("identity", { ...ingredients, params: Object.fromEntries(params) });
}

/** Returns the identity of an artifact's content: the type, and the names, sizes and digests of its files. */
export function artifactDigest(type: ArtifactRecord["type"], files: readonly FileEntry[]): string {
  const sorted = [...files].sort((a, b) => compareCodeUnits(a.path, b.path));
  return hash("artifact", { type, files: sorted.map(({ path, size, sha256 }) => [path, size, sha256]) });
}

/** True if a manifest follows from its own ingredients and files: its key stands for these and for nothing else. */
export function matchesKey(manifest: ResultManifest, key: string): boolean {
  const { resolvedKey, localKey, identityKey, ingredients, extent, outputs } = manifest;
  const { inputs, ...local } = ingredients;
  const { params } = local;
  // The kind is not known here, so the extent may be any param that has its value.
  const names = extent === null ? [undefined] : Object.keys(params).filter((name) => params[name] === extent);
  try {
    return resolvedKey === key && recipeKeyOf(local, {}).localKey === localKey &&
      resolvedKeyOf(localKey, inputs) === key &&
      names.some((name) => identityKeyOf(ingredients, name) === identityKey) &&
      Object.values(outputs).every(({ type, digest, files }) => artifactDigest(type, files) === digest);
  } catch {
    // Values that no key can be made from, such as one nested too deep, never belonged to a stage.
    return false;
  }
}
