import { statfsSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Diagnostic, refuse, type Result, succeed } from "../diagnostic/diagnostic.ts";
import { DigestCache } from "./digest_cache.ts";
import { makeFolder, removeQuietly, statIfThere } from "./files.ts";
import { isRunning } from "./is_running.ts";
import { ObjectStore } from "./objects.ts";
import { ResultStore } from "./results.ts";
import { RunStore } from "./runs.ts";
import { TimingStore } from "./timings.ts";
import { ViewStore } from "./views.ts";

/** Everything that the engine keeps on disk. Opening a store writes nothing. */
export interface Store {
  readonly root: string;
  readonly digests: DigestCache;
  readonly objects: ObjectStore;
  readonly results: ResultStore;
  readonly runs: RunStore;
  readonly timings: TimingStore;
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

export function openStore(root: string): Store {
  const digests = new DigestCache(join(root, "cache", "digests.jsonl"));
  const objects = new ObjectStore(join(root, "objects"), digests);
  const views = new Map<string, ViewStore>();
  return {
    root,
    digests,
    objects,
    results: new ResultStore(join(root, "results"), join(root, "index.jsonl"), join(root, "cache", "index.table")),
    runs: new RunStore(join(root, "runs")),
    timings: new TimingStore(join(root, "timings.jsonl")),
    progressRoot: join(root, "progress"),
    temporaryRoot: join(root, "tmp"),
    downloadsRoot: join(root, "cache", "downloads"),
    viewsOf: (pipeline) => {
      let store = views.get(pipeline);
      if (store === undefined) {
        const folder = join(dirname(root), "outputs", pipeline);
        const table = join(root, "cache", `views-${pipeline}.table`);
        store = new ViewStore(folder, join(root, "views", `${pipeline}.jsonl`), table, objects);
        views.set(pipeline, store);
      }
      return store;
    },
    lockPath: (identityKey) => join(root, "locks", `${identityKey}.lock`),
    prepare: () => prepare(root),
  };
}

/** Remove what runs left behind that were killed. Names begin with the run's id, which ends in its process id. */
function sweepTemporary(folder: string): void {
  for (const { name } of Deno.readDirSync(folder)) {
    const pid = /^\d{8}T\d{9}-([0-9a-z]+)-/.exec(name)?.[1];
    if (pid !== undefined && !isRunning(parseInt(pid, 36))) removeQuietly(join(folder, name));
  }
}

/** Magic numbers of statfs(2) for file systems whose locks and renames do not hold across hosts. */
const NETWORK_FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0x6969: "NFS",
  0x0BD00BD0: "Lustre",
};

function prepare(root: string): Result<void> {
  const failed = (message: string, fix: string): Result<void> => {
    const diagnostic: Diagnostic = { severity: "error", code: "file-unreadable", message, fix };
    return refuse([diagnostic]);
  };
  try {
    for (const name of ["objects", "results", "progress", "locks", "runs", "views", "cache", "tmp"]) {
      makeFolder(join(root, name));
    }
    sweepTemporary(join(root, "tmp"));
    const kind = NETWORK_FILE_SYSTEMS[Number(statfsSync(root).type)];
    if (kind !== undefined) {
      return failed(
        `Cannot keep the store on ${kind} (${root}): its locks do not hold between hosts`,
        "give a folder on a local disk with --store",
      );
    }
    return succeed(undefined);
  } catch (error) {
    return failed(`Cannot make the store at ${root}: ${(error as Error).message}`, "make it writable or give --store");
  }
}
