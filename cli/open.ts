import { dirname, resolve } from "node:path";
import type { Cluster } from "noiseline/cluster";
import type { RunRecord, SharedCache, TagRecord } from "noiseline/engine";
import {
  type Diagnostic,
  errorOf,
  findSharedOutputs,
  findStoreRoot,
  Grants,
  importLate,
  learnVersions,
  openStore,
  type Pipeline,
  PipelineLoader,
  Planner,
  type PlanOptions,
  planUpToDate,
  selectStages,
  type Store,
  suggestName,
} from "noiseline/core";
import type { CliSettings } from "./command.ts";
import { fail, failWith, printDiagnostics, refuse, refuseWith, valueOf } from "./io.ts";

export interface LoadArguments
  extends Partial<Readonly<Record<"set" | "profile" | "force", readonly string[] | undefined>>> {
  readonly file: string;
  readonly store?: string | undefined;
  /** True to accept a pipeline that needs inputs from another pipeline. */
  readonly allowMissingInputs?: boolean;
  /** Stages that the command line names. */
  readonly targets?: readonly string[];
}

type Loaded = Awaited<ReturnType<typeof loadForCommand>>;
type Opened = ReturnType<typeof openForCommand>;

/**
 * Opens the given store, or the store of a folder. Ends the command with exit code 2 if something else lies there.
 * @param folder whose store is opened if none is given
 */
export function openStoreFor({ store }: { readonly store?: string | undefined }, folder: string = Deno.cwd()): Store {
  const root = store === undefined ? findStoreRoot(folder) : resolve(store);
  try {
    if (!Deno.statSync(root).isDirectory) {
      const fix = "give a folder with --store; it is created if needed";
      const message = `Cannot keep a store at ${root}: it is not a folder`;
      refuseWith([errorOf("file-unreadable", message, fix)]);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return openStore(root);
}

/** Returns the store of a pipeline file, and a loader that uses what the store keeps about the file. */
export function openForCommand(settings: CliSettings, options: LoadArguments) {
  const loader = new PipelineLoader(options.file, {
    ...settings,
    overrides: options.set ?? [],
    profiles: options.profile ?? [],
    allowMissingInputs: options.allowMissingInputs,
  });
  return { store: openStoreFor(options, dirname(resolve(options.file))), loader };
}

/**
 * Loads a pipeline for a command, or ends with exit code 2 and all its errors. Returns the named stages by id; the name
 * of a matrix stands for its children.
 */
export async function loadForCommand(
  settings: CliSettings,
  options: LoadArguments,
  { store, loader }: Opened = openForCommand(settings, options),
) {
  const loaded = await loader.load();
  if (!loaded.ok) refuseWith(loaded.diagnostics);
  const pipeline = await learnVersions(loaded.value, new Grants(loaded.value.folder));
  const [targets, force] = [options.targets, options.force].map((names) => selectStages(pipeline, names ?? []));
  const unknown = [...targets!.problems, ...force!.problems];
  if (unknown.length > 0) refuseWith(unknown);
  loader.keep();
  return { pipeline, store, warnings: loaded.warnings, targets: targets!.stages, force: force!.stages };
}

/** Makes the planner of a loaded pipeline, or ends with exit code 2. */
export function makePlanner({ pipeline, store }: Pick<Loaded, "pipeline" | "store">, options: PlanOptions = {}) {
  return valueOf(Planner.make(pipeline, store, options));
}

/** Returns true if an argument names a pipeline file rather than a run or a tag. */
export function namesPipeline(text: string): boolean {
  return /\.(ya?ml|[mc]?[jt]s)$/.test(text);
}

/**
 * Returns the run with this id, or ends the command.
 * @param tags true if a tag would have been accepted too
 */
export function runFor(store: Store, id: string, tags: boolean = false): RunRecord {
  const run = store.runs.read(id);
  if (run?.runId === id) return run;
  const known = [...tags ? store.tags.names() : [], ...store.runs.ids()];
  const fix = known.length === 0 ? "run a pipeline first, or name its file" : suggestName(id, known);
  refuse(`there is no ${tags ? "tag or run" : "run"} "${id}" in ${store.root}`, fix);
}

/**
 * Returns the results that an argument names: those of a pipeline as it is now, a tag, or a run. Ends the command if
 * there are none.
 */
export async function contentsFor(
  settings: CliSettings,
  what: string | undefined,
  { set, profile, store: given }: Pick<LoadArguments, "set" | "profile" | "store">,
): Promise<{ store: Store; contents: TagRecord }> {
  const { contentsOfPlan, contentsOfRun } = await importLate<typeof import("noiseline/housekeeping")>(
    "noiseline/housekeeping",
  );
  if (what !== undefined && namesPipeline(what)) {
    const loaded = await loadForCommand(settings, { file: what, set, profile, store: given });
    const contents = contentsOfPlan(await makePlanner(loaded).plan(), loaded.store);
    return { store: loaded.store, contents: valueOf(contents, failWith) };
  }
  const store = openStoreFor({ store: given });
  const tagged = what === undefined ? undefined : store.tags.read(what);
  if (tagged !== undefined) return { store, contents: tagged };
  const run = what === undefined
    ? store.runs.newestFirst().find(({ status }) => status === "done")
    : runFor(store, what, true);
  if (run !== undefined) return { store, contents: valueOf(contentsOfRun(run, store), failWith) };
  fail(`no run is done in ${store.root}`, "name a pipeline file, or run one first");
}

interface CacheArguments extends Partial<Readonly<Record<"cache" | "cacheMode", string | undefined>>> {
  /** The cluster whose cache is used. */
  readonly on?: string | undefined;
}

const CACHE_MODES = ["read-write", "read", "off"] as const;

/**
 * Returns true if a shared cache is configured, or its options have to be checked; then a plan made without a cache is
 * not enough.
 */
export function usesSharedCache({ cache, cacheMode, on }: CacheArguments): boolean {
  const caches = [cache, cacheMode, Deno.env.get("NOISELINE_CACHE"), Deno.env.get("NOISELINE_CACHE_MODE")];
  const names = cacheMode === "off" ? [on] : [on, ...caches];
  return names.some((name) => name !== undefined && name !== "");
}

/** Opens the shared cache that the options or the environment name, or ends with exit code 2 and the problem. */
export async function openCacheFor(
  { cache, cacheMode }: CacheArguments,
  warn: (diagnostic: Diagnostic) => void,
  stop: AbortSignal = new AbortController().signal,
): Promise<SharedCache | undefined> {
  const place = cache ?? (Deno.env.get("NOISELINE_CACHE") || undefined);
  const wanted = cacheMode ?? (Deno.env.get("NOISELINE_CACHE_MODE") || "read-write");
  const mode = CACHE_MODES.find((one) => one === wanted);
  if (mode === undefined) {
    const origin = cacheMode === undefined ? "NOISELINE_CACHE_MODE" : "--cache-mode";
    const message = `Cannot use the shared cache: ${origin} is not a mode`;
    refuseWith([errorOf("cache", message, "use one of these", { got: wanted, wanted: CACHE_MODES.join(", ") })]);
  }
  if (place === undefined || mode === "off") return undefined;
  const { openSharedCache } = await importLate<typeof import("noiseline/engine")>("noiseline/engine");
  return valueOf(await openSharedCache(place, { mode, workingFolder: Deno.cwd(), warn, stop }));
}

/**
 * Returns the cluster of this name, or ends the command with all errors in its file.
 * @param folder of the project
 */
export async function clusterFor(settings: CliSettings, name: string, folder: string): Promise<Cluster> {
  const { loadCluster } = await importLate<typeof import("noiseline/cluster")>("noiseline/cluster");
  return valueOf(loadCluster(name, { folder }, Object.keys(await settings.loadKinds())));
}

/** Returns plan options for a command that runs nothing, with the shared cache or the cluster that its options name. */
export async function sharedOptions(
  settings: CliSettings,
  given: CacheArguments,
  { folder }: Pick<Pipeline, "folder">,
): Promise<Pick<PlanOptions, "cache" | "remote">> {
  const warn = (diagnostic: Diagnostic) => printDiagnostics([diagnostic]);
  if (given.on === undefined) return { cache: await openCacheFor(given, warn) };
  const { settings: { cache } } = await clusterFor(settings, given.on, folder);
  return { cache: await openCacheFor({ cache, cacheMode: "read" }, warn), remote: true };
}

/** Makes the plan for a command that runs nothing. If everything is up to date, it does not load the pipeline. */
export async function planFor(settings: CliSettings, given: LoadArguments & CacheArguments) {
  const opened = openForCommand(settings, given);
  const { loader, store } = opened;
  const isPlain = !usesSharedCache(given) && (given.force ?? []).length === 0;
  const nothing = isPlain ? await planUpToDate(loader, store, given.targets) : undefined;
  if (nothing !== undefined) return { plan: nothing, store, warnings: loader.warnings };
  const { pipeline, targets, force, warnings } = await loadForCommand(settings, given, opened);
  const shared = await sharedOptions(settings, given, pipeline);
  const planner = makePlanner({ pipeline, store }, { targets, force: new Set(force), ...shared });
  const plan = await planner.plan();
  return { plan, store, warnings: [...warnings, ...findSharedOutputs(plan, store)] };
}
