import { CURVE_PORT, GUEST_KINDS } from "../../schemas/log.ts";
import { dirname, join } from "node:path";
import { type ResultManifest, type ViewRecord, viewRecordSchema } from "../../schemas/records.ts";
import { copyFile, makeFolder, removeQuietly, rename, setMode, writeAtomically } from "./files.ts";
import { entriesOf, factsAt, factsOf, type FileFacts, isThere, statIfThere } from "./reading.ts";
import { MisplacedError } from "./io_errors.ts";
import { inside } from "./write_roots.ts";
import { fileNameOf, listFiles, makeDurableFolder } from "./folders.ts";
import { type LineKind, LineTable } from "./line_table.ts";
import { lockBlocking } from "./locks.ts";
import type { ObjectStore } from "./objects.ts";
import { isAbandoned, pidInName } from "./run_ids.ts";
import type { Digests } from "./digests.ts";

type ShownFile = ViewRecord["files"][number];

/** The levels of nested pipelines that are searched for stages. */
const MAX_DEPTH = 5;

const VIEW_LINES: LineKind<ViewRecord> = {
  schema: viewRecordSchema,
  keysOf: ({ stage }) => [stage],
  pattern: /^{"stage":"([^"\\]*)",.*\]}$/s,
};

/**
 * The user's view of the results of one pipeline: plain read-only files under `outputs/<pipeline>/<stage>/`. The view
 * is derived: losing it costs a copy. Files that the user changed or added in it are moved aside, never overwritten.
 */
export class ViewStore {
  #records: LineTable<ViewRecord> | undefined;
  #swept = false;

  /**
   * @param record the path of the record of what the view should hold
   * @param sources the objects that a view is made from, and the digests that tell whether its files are unchanged
   */
  constructor(
    private readonly folder: string,
    private readonly record: string,
    private readonly sources: { readonly objects: ObjectStore; readonly digests: Digests },
  ) {}

  folderOf(stage: string): string {
    return join(this.folder, stage);
  }

  /** Reads the records again if another process has added some. */
  refresh(): void {
    if (statIfThere(this.record)?.size !== this.#records?.state?.size) this.#records = undefined;
  }

  /** Size and times of the record when last read here; while the file has these, `shown` returns nothing new. */
  get state(): FileFacts | undefined {
    return this.#records === undefined ? factsAt(this.record) : this.#records.state;
  }

  /** The record of what a stage showed last. */
  shown(stage: string): ViewRecord | undefined {
    return this.#load().find(0, stage).at(-1);
  }

  /**
   * Writes a file beside the folders of the stages. Until it is complete it is named like a view, so that it is swept
   * like one after a kill.
   */
  write(name: string, content: string): string {
    const path = inside(this.folder, name);
    makeFolder(this.folder);
    writeAtomically(path, content, join(this.folder, `.new-${name}-${Deno.pid}`));
    return path;
  }

  /** The path of such a file, if it was written after the last stage was shown. */
  pathIfNewest(name: string): string | undefined {
    const path = inside(this.folder, name);
    const [file, shown] = [statIfThere(path), statIfThere(this.record)];
    return file?.isFile && file.mtime! >= (shown?.mtime ?? file.mtime!) ? path : undefined;
  }

  /** True if a stage has a folder that is not the user's own. */
  isShown(stage: string): boolean {
    return this.shown(stage) !== undefined && isThere(this.folderOf(stage));
  }

  /** Ids of stages that are shown here but are not among the given ones. */
  staleViews(stages: ReadonlyMap<string, unknown>, folder = ""): string[] {
    const folders = entriesOf(join(this.folder, folder)).filter(({ isDirectory }) => isDirectory);
    return folders.map(({ name }) => `${folder}${name}`).filter((id) => !stages.has(id)).sort().flatMap((id) => {
      const isParent = [...stages.keys()].some((stage) => stage.startsWith(`${id}/`));
      if (!isParent && this.shown(id) !== undefined) return [id];
      // Stages of a nested pipeline lie within its folder; deeper than that are files of the user's.
      return id.split("/").length < MAX_DEPTH ? this.staleViews(stages, `${id}/`) : [];
    });
  }

  /** True if the files that a stage showed are unchanged. */
  isIntact(stage: string, files: ViewRecord["files"]): boolean {
    const { missing, modified } = this.#look(stage, files);
    return missing.length + modified.length === 0;
  }

  /** Checks whether a stage's view shows a result. */
  check(stage: string, resolvedKey: string) {
    const record = this.shown(stage);
    if (record === undefined) return { state: "absent" } as const;
    const { missing, modified } = this.#look(stage, record.files);
    if (modified.length > 0) return { state: "modified", files: modified } as const;
    if (record.resolvedKey !== resolvedKey) return { state: "other", resolvedKey: record.resolvedKey } as const;
    if (missing.length > 0) return { state: "missing", files: missing } as const;
    return { state: "good" } as const;
  }

  #look(stage: string, files: ViewRecord["files"]): { readonly missing: string[]; readonly modified: string[] } {
    const missing: string[] = [];
    const modified: string[] = [];
    const home = this.folderOf(stage);
    for (const file of files) {
      const path = join(home, file.path);
      const info = statIfThere(path);
      if (info === undefined) missing.push(file.path);
      else if (!this.#isUntouched(path, info, file)) modified.push(file.path);
    }
    return { missing, modified };
  }

  /**
   * Shows a result. The new folder is complete before it takes the old one's name.
   * @returns where the user's own changes were moved, if there were any
   */
  install(stage: string, manifest: ResultManifest): string | undefined {
    // Two runs of one pipeline may show two results of one stage; each must know what the other did.
    using _lock = lockBlocking(`${this.record}.lock`);
    this.refresh();
    const home = this.folderOf(stage);
    makeDurableFolder(dirname(home));
    this.#sweep();
    const fresh = join(this.folder, `.new-${fileNameOf(stage)}-${Deno.pid}`);
    const old = join(this.folder, `.old-${fileNameOf(stage)}-${Deno.pid}`);
    const left = new Set([fresh]);
    try {
      const files = this.#write(fresh, manifest);
      const before = statIfThere(home);
      const mine = before && this.#moveUserFiles(stage, before, files);
      if (before?.isDirectory === true) {
        left.add(old);
        rename(home, old);
      }
      rename(fresh, home);
      left.delete(fresh);
      const record = { stage, resolvedKey: manifest.resolvedKey, files };
      this.#load().add(record);
      makeDurableFolder(dirname(this.record));
      this.#load().append(record);
      return mine;
    } finally {
      for (const path of left) removeQuietly(path);
      // After an error, removing the new folder may have failed, too; then the next call sweeps it.
      if (left.has(fresh)) this.#swept = false;
    }
  }

  /** Removes what killed runs left behind while they swapped a view. The user's own files are never in it. */
  #sweep(): void {
    if (this.#swept) return;
    this.#swept = true;
    for (const { name } of entriesOf(this.folder)) {
      // This process has written nothing here yet, so a name with its process id is a killed process's.
      if (pidInName("view", name) === Deno.pid || isAbandoned("view", name)) removeQuietly(join(this.folder, name));
    }
  }

  #write(folder: string, manifest: ResultManifest): ViewRecord["files"] {
    const files: ViewRecord["files"] = [];
    makeFolder(folder);
    const outputs = Object.entries(manifest.outputs);
    const isGuest = GUEST_KINDS.has(manifest.ingredients.kind);
    const own = outputs.filter(([port, { type }]) => !isGuest || port !== CURVE_PORT || type !== "log");
    // A stage's files stay where they are if it begins to report figures, unless they have the place of these.
    const isAlone = own.length === 1 && own[0]![1].files.every(({ path }) => path.split("/")[0] !== CURVE_PORT);
    for (const [port, artifact] of outputs) {
      for (const file of artifact.files) {
        // Kinds with one output need no folder for its port.
        const path = outputs.length === 1 || (isAlone && port === own[0]![0]) ? file.path : `${port}/${file.path}`;
        const target = inside(folder, path);
        if (path.includes("/")) makeFolder(dirname(target));
        if (isThere(target)) {
          throw new MisplacedError(`Cannot write ${target}: another file of the result has its name here`);
        }
        copyFile(this.sources.objects.pathOf(file.sha256), target);
        setMode(target, 0o444);
        const { size, mtimeMs, ctimeMs } = factsOf(Deno.lstatSync(target));
        files.push({ path, size, mtimeMs, ctimeMs, sha256: file.sha256 });
      }
    }
    return files;
  }

  /** Moves files that the user changed or added out of the way, keeping their names. */
  #moveUserFiles(stage: string, before: Deno.FileInfo, fresh: ViewRecord["files"]): string | undefined {
    const home = this.folderOf(stage);
    if (!before.isDirectory) {
      // A link or a file in the place of the folder is the user's as a whole; a link's target is not touched.
      const mine = freeName(home);
      rename(home, mine);
      return mine;
    }
    // A file that the new view holds at the same place is not the user's either, even if no record knows it.
    const ours = new Map(fresh.map((file) => [file.path, file]));
    const shown = new Map<string, Map<string, ShownFile[]>>();
    const { files, strange } = listFiles(home);
    const own = [...files, ...strange].filter((path) => {
      const full = join(home, path);
      const onDisk = Deno.lstatSync(full);
      const known = [ours.get(path) ?? [], this.#shownAt(`${stage}/${path}`, shown)].flat();
      if (known.some((file) => this.#isUntouched(full, onDisk, file))) return false;
      return !known.some((file) => this.#isTornCopy(full, onDisk, file));
    });
    if (own.length === 0) return undefined;
    const mine = freeName(home);
    for (const path of own) {
      makeFolder(dirname(join(mine, path)));
      rename(join(home, path), join(mine, path));
    }
    return mine;
  }

  /**
   * Everything that stages ever showed at a place. After a power cut the view may be older than the last record; and a
   * stage in whose folder the place lies may once have been a nested pipeline, or may have become one.
   * @param byStage what has been looked up already, by stage and path
   */
  #shownAt(place: string, byStage: Map<string, Map<string, ShownFile[]>>): ShownFile[] {
    return [...place.matchAll(/\//g)].flatMap(({ index: cut }) => {
      const stage = place.slice(0, cut);
      const shown = byStage.getOrInsertComputed(stage, () => {
        return Map.groupBy(this.#load().find(0, stage).flatMap(({ files }) => files), ({ path }) => path);
      });
      return shown.get(place.slice(cut + 1)) ?? [];
    });
  }

  /**
   * True if a file has the same size and times, or at least the same content: touching a file does not change it. Times
   * from before the machine was started prove nothing, since views are not flushed: a power cut may have kept the times
   * and lost the content.
   */
  #isUntouched(path: string, info: Deno.FileInfo, file: ShownFile): boolean {
    if (!info.isFile || info.size !== file.size) return false;
    const { mtimeMs, ctimeMs } = factsOf(info);
    if (mtimeMs === file.mtimeMs && ctimeMs === file.ctimeMs && mtimeMs > machineStartMs()) return true;
    return this.sources.digests.holds(path, file.sha256);
  }

  /** True if a file is what a power cut left of a file being shown: its beginning, then zeros. It contains no edit. */
  #isTornCopy(path: string, info: Deno.FileInfo, file: ShownFile): boolean {
    if (!info.isFile || info.size > file.size || factsOf(info).mtimeMs > machineStartMs()) return false;
    const object = this.sources.objects.pathOf(file.sha256);
    if (statIfThere(object) === undefined) return false;
    const [bytes, whole] = [Deno.readFileSync(path), Deno.readFileSync(object)];
    const same = bytes.findIndex((byte, index) => byte !== whole[index]);
    return same < 0 || bytes.subarray(same).every((byte) => byte === 0);
  }

  #load(): LineTable<ViewRecord> {
    return this.#records ??= new LineTable(this.record, VIEW_LINES);
  }
}

/** Returns a name beside the folder that is not taken. */
function freeName(home: string): string {
  let mine = `${home}.mine`;
  for (let n = 2; statIfThere(mine) !== undefined; n++) mine = `${home}.mine-${n}`;
  return mine;
}

let machineStart: number | undefined;

/** A file with a later time was written since the machine was started, so the system knows all of its content. */
function machineStartMs(): number {
  return machineStart ??= Date.now() - Deno.osUptime() * 1_000 + UPTIME_TICK_MS;
}

/** The system reports its uptime in whole seconds. */
const UPTIME_TICK_MS = 1_000;
