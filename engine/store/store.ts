import { statfsSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Difference, differenceSchema, type Timing, timingSchema } from "../../schemas/records.ts";
import { type DiagnosticCode, refuse, type Result, succeed } from "../diagnostic/diagnostic.ts";
import { DigestCache } from "./digest_cache.ts";
import { StoreGuards } from "./guards.ts";
import { removeQuietly } from "./files.ts";
import { entriesOf, statIfThere } from "./reading.ts";
import { ignoreTrouble, isMachineTrouble } from "./trouble.ts";
import { makeDurableFolder } from "./folders.ts";
import { isRunning } from "./is_running.ts";
import { takeBack } from "./lent.ts";
import { ObjectStore } from "./objects.ts";
import { RecordLog } from "./record_log.ts";
import { ResultStore } from "./results.ts";
import { assertInside, openRoot } from "./roots.ts";
import { RunStore } from "./runs.ts";
import { TagStore } from "./tags.ts";
import { ViewStore } from "./views.ts";

/** Where things lie, for those who clean up. */
export interface StorePaths {
  readonly objects: string;
  readonly results: string;
  readonly index: string;
  readonly timings: string;
  readonly differences: string;
  readonly digests: string;
  /** Digests of whole folders. */
  readonly folders: string;
  readonly views: string;
  readonly locks: string;
  readonly cache: string;
  /** What users look at: the folder that holds one folder for each pipeline. */
  readonly outputs: string;
}

/** Everything that the engine keeps on disk. Opening a store writes nothing, but takes back what killed runs had lent. */
export interface Store {
  readonly root: string;
  readonly digests: DigestCache;
  readonly objects: ObjectStore;
  readonly results: ResultStore;
  readonly runs: RunStore;
  /** How long stages took on this machine. Losing it only loses forecasts. */
  readonly timings: RecordLog<Timing>;
  readonly tags: TagStore;
  /** Keys that gave two results: a stage that is not deterministic, or devices that round differently. */
  readonly differences: RecordLog<Difference>;
  readonly guards: StoreGuards;
  readonly paths: StorePaths;
  readonly progressRoot: string;
  readonly temporaryRoot: string;
  /** Files that stages fetched, by digest. Losing them costs a download. */
  readonly downloadsRoot: string;
  viewsOf(pipeline: string): ViewStore;
  lockPath(identityKey: string): string;
  /** Make the folders that a run needs, or say why they cannot be made. */
  prepare(): Result<void>;
}

/** The store's folder: beside the nearest deno.json above the pipeline file, else beside the file itself. */
export function findStoreRoot(pipelineFolder: string): string {
  for (let folder = pipelineFolder;; folder = dirname(folder)) {
    const hasConfig = ["deno.json", "deno.jsonc"].some((name) => statIfThere(join(folder, name)) !== undefined);
    if (hasConfig) return join(folder, ".noiseline");
    if (dirname(folder) === folder) return join(pipelineFolder, ".noiseline");
  }
}

/** @param typeOf the magic number of the file system that a path lies on, as statfs(2) tells it */
export function openStore(root: string, typeOf: (path: string) => number = fileSystemType): Store {
  const paths: StorePaths = {
    objects: join(root, "objects"),
    results: join(root, "results"),
    index: join(root, "index.jsonl"),
    timings: join(root, "timings.jsonl"),
    differences: join(root, "differences.jsonl"),
    digests: join(root, "cache", "digests.jsonl"),
    folders: join(root, "cache", "folders.jsonl"),
    views: join(root, "views"),
    locks: join(root, "locks"),
    cache: join(root, "cache"),
    outputs: join(dirname(root), "outputs"),
  };
  for (const folder of [root, paths.outputs]) openRoot(folder);
  ignoreTrouble(() => abandoned(join(root, "tmp")).forEach(takeBack));
  const digests = new DigestCache(paths.digests, paths.folders);
  const objects = new ObjectStore(paths.objects, digests);
  const views = new Map<string, ViewStore>();
  return {
    root,
    digests,
    objects,
    paths,
    results: new ResultStore(paths.results, paths.index, join(paths.cache, "index.table")),
    runs: new RunStore(join(root, "runs")),
    timings: new RecordLog(paths.timings, timingSchema),
    tags: new TagStore(join(root, "tags")),
    differences: new RecordLog(paths.differences, differenceSchema),
    guards: new StoreGuards(paths.locks),
    progressRoot: join(root, "progress"),
    temporaryRoot: join(root, "tmp"),
    downloadsRoot: join(root, "cache", "downloads"),
    viewsOf: (pipeline) => {
      let store = views.get(pipeline);
      if (store === undefined) {
        const places = {
          records: join(paths.views, `${pipeline}.jsonl`),
          table: join(paths.cache, `views-${pipeline}.table`),
        };
        store = new ViewStore(join(paths.outputs, pipeline), places, { objects, digests });
        views.set(pipeline, store);
      }
      return store;
    },
    lockPath: (identityKey) => join(paths.locks, `${identityKey}.lock`),
    prepare: () => prepare(root, typeOf),
  };
}

/** What runs left behind that were killed. Names begin with the run's id, which ends in its process id. */
function abandoned(folder: string): string[] {
  return entriesOf(folder).map(({ name }) => name).filter((name) => {
    const pid = /^\d{8}T\d{9}-([0-9a-z]+)-/.exec(name)?.[1];
    return pid !== undefined && !isRunning(parseInt(pid, 36));
  }).map((name) => join(folder, name));
}

/** Magic numbers of statfs(2) for file systems whose locks and renames do not hold across hosts. */
const NETWORK_FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0x6969: "NFS",
  0x0BD00BD0: "Lustre",
};

function fileSystemType(path: string): number {
  return Number(statfsSync(path).type);
}

/** The store's folder, or the one in which it would be made. */
function nearestThere(path: string): string {
  return statIfThere(path) !== undefined || dirname(path) === path ? path : nearestThere(dirname(path));
}

function prepare(root: string, typeOf: (path: string) => number): Result<void> {
  const failed = (message: string, fix: string, code: DiagnosticCode = "file-unreadable"): Result<void> =>
    refuse([{ severity: "error", code, message, fix }]);
  try {
    // Before anything is made or swept: a process on another host may be at work there.
    const kind = NETWORK_FILE_SYSTEMS[typeOf(nearestThere(root))];
    if (kind !== undefined) {
      return failed(
        `Cannot keep the store on ${kind} (${root}): its locks do not hold between hosts`,
        "give a folder on a local disk with --store",
      );
    }
    for (const name of ["objects", "results", "progress", "locks", "runs", "views", "cache", "tmp"]) {
      makeDurableFolder(join(root, name));
      assertInside(join(root, name, "any"));
    }
    abandoned(join(root, "tmp")).forEach(removeQuietly);
    return succeed(undefined);
  } catch (error) {
    const message = `Cannot make the store at ${root}: ${(error as Error).message}`;
    if (isMachineTrouble(error)) {
      return failed(message, "free some space or repair the disk, then run again", "machine");
    }
    return failed(message, "make it writable or give --store");
  }
}
