import fs from "node:fs";
import { dirname, join } from "node:path";
import {
  differenceSchema,
  type Keep,
  keepSchema,
  type TagRecord,
  tagRecordSchema,
  timingSchema,
} from "../../schemas/records.ts";
import { errorOf, refuse, type Result, succeed } from "../diagnostic/diagnostic.ts";
import { appendLine, makeFolder, removeQuietly, removeTree, writeAtomically } from "./files.ts";
import { entriesOf, isThere, realPath, statIfThere } from "./reading.ts";
import { ignoreIoErrors, isMachineError } from "./io_errors.ts";
import { makeDurableFolder } from "./folders.ts";
import { restoreMetadata } from "./metadata_guard.ts";
import { ObjectStore } from "./objects.ts";
import { ResultStore } from "./results.ts";
import { allowWritesBelow, assertInside } from "./write_roots.ts";
import { RunStore } from "./runs.ts";
import { ViewStore } from "./views.ts";
import { abandonedIn } from "./run_ids.ts";
import { StoreGuards } from "./locks.ts";
import { readRecord, readRecords, RecordLog, recordText } from "./records.ts";
import { Digests } from "./digests.ts";

/** Folders that a run needs. */
const FOLDERS = ["objects", "results", "progress", "locks", "runs", "views", "kept", "tmp"] as const;

type NeededPaths = Readonly<Record<typeof FOLDERS[number], string>>;

/** All that the engine keeps on disk. Opening a store writes nothing, but restores files that killed runs had lent. */
export type Store = Readonly<ReturnType<typeof openStore>>;

/** Returns the path of the configuration file that Deno uses in a folder. */
export function nearestConfig(folder: string): string | undefined {
  const found = ["deno.json", "deno.jsonc"].map((name) => join(folder, name)).find(isThere);
  return found ?? (dirname(folder) === folder ? undefined : nearestConfig(dirname(folder)));
}

/** The store's folder: beside the nearest deno.json above the pipeline file, else beside the file itself. */
export function findStoreRoot(pipelineFolder: string): string {
  const config = nearestConfig(pipelineFolder);
  return join(config === undefined ? pipelineFolder : dirname(config), ".noiseline");
}

/**
 * Opens the store in a folder.
 * @param folder the store's folder; links on its path are followed here, once: the processes of stages are given real
 * paths, and have permissions for these alone
 * @param runs where runs are recorded, if elsewhere
 */
export function openStore(folder: string, runs?: string) {
  const root = realPath(folder);
  const at = (...names: string[]) => join(root, ...names);
  const paths = {
    ...Object.fromEntries(FOLDERS.map((name) => [name, at(name)])) as NeededPaths,
    runs: runs ?? at("runs"),
    tags: at("tags"),
    index: at("index.jsonl"),
    timings: at("timings.jsonl"),
    differences: at("differences.jsonl"),
    keeps: at("keeps.jsonl"),
    // Files that only save time: losing them costs some.
    kept: at("cache"),
    digests: at("cache", "digests.jsonl"),
    // Files that stages fetched, by digest. Losing them costs a download.
    downloads: at("cache", "downloads"),
    // The results as users see them: a folder that holds one folder for each pipeline.
    outputs: join(dirname(folder), "outputs"),
  };
  for (const folder of [root, paths.outputs, paths.runs]) allowWritesBelow(folder);
  ignoreIoErrors(() => abandonedIn(paths.tmp).forEach(restoreMetadata));
  const digests = new Digests(paths.digests);
  const objects = new ObjectStore(paths.objects, digests);
  const views = new Map<string, ViewStore>();
  const viewsPath = (pipeline: string) => join(paths.views, `${pipeline}.jsonl`);
  return {
    root,
    digests,
    objects,
    /** Paths of everything in the store, for those who clean up. */
    paths: paths as Readonly<typeof paths>,
    results: new ResultStore(paths.results, paths.index),
    runs: new RunStore(paths.runs, runs === undefined),
    /** Durations of stages on this machine. Losing them only loses forecasts. */
    timings: new RecordLog(paths.timings, timingSchema),
    tags: new TagStore(paths.tags),
    /** Keys that gave two results: a stage that is not deterministic, or devices that round differently. */
    differences: new RecordLog(paths.differences, differenceSchema),
    /** The results that serve although the code of their stages was edited, by the recipe that they serve for. */
    keeps(): ReadonlyMap<string, Keep> {
      const last = new Map(readRecords(paths.keeps, keepSchema).map((keep) => [keep.recipeKey, keep]));
      return new Map([...last].filter(([, { undone, result }]) => !undone && this.results.isPublished(result)));
    },
    keep: (keep: Keep) => void appendLine(paths.keeps, JSON.stringify(keep)),
    guards: new StoreGuards(paths.locks),
    viewsOf: (pipeline: string) => {
      const make = () => new ViewStore(join(paths.outputs, pipeline), viewsPath(pipeline), { objects, digests });
      return views.getOrInsertComputed(pipeline, make);
    },
    /** The result that a stage of a pipeline showed last, if the store still has it. */
    lastShown(pipeline: string, stage: string) {
      const key = this.viewsOf(pipeline).shown(stage)?.resolvedKey;
      return key === undefined ? undefined : this.results.byResolved(key);
    },
    /** Pipelines that this store has shown in `outputs/`. */
    shownPipelines: () => entriesOf(paths.views).flatMap(({ name }) => /^(.+)\.jsonl$/.exec(name)?.[1] ?? []),
    /** The path of the record of what a pipeline's folder in `outputs/` should hold. */
    viewsPath,
    lockPath: (identityKey: string) => join(paths.locks, `${identityKey}.lock`),
    /** Makes the folders that a run needs, or says why they cannot be made. */
    prepare: () => prepare(root, paths),
  };
}

/** Magic numbers of statfs(2) for file systems whose locks and renames do not hold across hosts. */
const NETWORK_FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0x6969: "NFS",
  0x0BD00BD0: "Lustre",
};

/** The store's folder, or the one in which it would be made. */
function nearestThere(path: string): string {
  return statIfThere(path) !== undefined || dirname(path) === path ? path : nearestThere(dirname(path));
}

function prepare(root: string, paths: NeededPaths): Result<void> {
  try {
    // Before anything is made or swept: a process on another host may be using the store.
    const kind = NETWORK_FILE_SYSTEMS[Number(fs.statfsSync(nearestThere(root)).type)];
    if (kind !== undefined) {
      const message = `Cannot keep the store on ${kind} (${root}): its locks do not hold between hosts`;
      return refuse([errorOf("file-unreadable", message, "give a folder on a local disk with --store")]);
    }
    for (const name of FOLDERS) {
      makeDurableFolder(paths[name]);
      assertInside(join(paths[name], "any"));
    }
    abandonedIn(paths.tmp).forEach(removeQuietly);
    return succeed(undefined);
  } catch (error) {
    const message = `Cannot make the store at ${root}: ${(error as Error).message}`;
    return refuse([
      isMachineError(error)
        ? errorOf("machine", message, "free some space or repair the disk, then run again")
        : errorOf("file-unreadable", message, "make it writable or give --store"),
    ]);
  }
}

/** The names that a tag may have: the name becomes a file name and must not look like a path. */
export const TAG_NAME: RegExp = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Names that users give to sets of results. Named results are kept. */
class TagStore {
  constructor(private readonly root: string) {}

  read(name: string): TagRecord | undefined {
    return TAG_NAME.test(name) ? readRecord(this.#pathOf(name), tagRecordSchema) : undefined;
  }

  write(name: string, record: TagRecord): void {
    makeFolder(this.root);
    const path = this.#pathOf(name);
    writeAtomically(path, recordText(path, tagRecordSchema, record));
  }

  remove(name: string): void {
    removeTree(this.#pathOf(name));
  }

  /** Names in code-unit order, also of tags that cannot be read. */
  names(): string[] {
    const names = entriesOf(this.root).flatMap(({ name }) => /^(.+)\.json$/.exec(name)?.[1] ?? []);
    return names.filter((name) => TAG_NAME.test(name)).sort();
  }

  #pathOf(name: string): string {
    return join(this.root, `${name}.json`);
  }
}
