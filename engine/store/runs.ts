import { hostname } from "node:os";
import { dirname, join } from "node:path";
import {
  type FigureRow,
  type LiveProgress,
  liveProgressSchema,
  type PlanRecord,
  planRecordSchema,
  type RunNote,
  type RunRecord,
  runRecordSchema,
  type UsedLine,
  usedLineSchema,
} from "../../schemas/records.ts";
import { appendLine, makeFolder, removeQuietly, rename, writeAtomically, writeUnflushed } from "./files.ts";
import { entriesOf, isThere } from "./reading.ts";
import { ignoreIoErrors } from "./io_errors.ts";
import { readRecord, readRecords, recordText } from "./records.ts";
import { fileNameOf } from "./folders.ts";
import { isFolderLocked, lockFolder } from "./locks.ts";
import { isRunning, type RunState } from "./run_ids.ts";

/** The most previews of one stage. */
export const MAX_PREVIEWS = 500;

/**
 * Records of runs: what happened on which host and when. Nothing in here decides what is cached, so a full disk costs
 * the record and not the run.
 */
export class RunStore {
  /** Locks on the folders of runs that this process has started, each held to the end of its run. */
  readonly #held = new Map<string, Disposable>();

  /** @param isCleared true if `gc` looks here, and must know what runs rely on */
  constructor(private readonly root: string, private readonly isCleared: boolean = true) {}

  folderOf(runId: string): string {
    return join(this.root, runId);
  }

  logPath(runId: string, stage: string): string {
    return join(this.folderOf(runId), "logs", `${fileNameOf(stage)}.log`);
  }

  /** The path of the history of a stage's figures. */
  figuresPath(runId: string, stage: string): string {
    return join(this.folderOf(runId), "figures", `${fileNameOf(stage)}.jsonl`);
  }

  /** The path of a PNG that shows what a stage would make at a step. */
  previewPath(runId: string, stage: string, step: number): string {
    return join(this.folderOf(runId), "previews", fileNameOf(stage), `${step}.png`);
  }

  start(record: RunRecord, plan?: PlanRecord): void {
    const folder = this.folderOf(record.runId);
    ignoreIoErrors(() => makeFolder(join(folder, "logs")));
    const held = this.isCleared ? lockFolder(folder) : undefined;
    if (held !== undefined) this.#held.set(record.runId, held);
    if (plan !== undefined) this.#leave(join(folder, "plan.json"), JSON.stringify(plan));
    this.write(record);
  }

  /**
   * Returns the state of a run. Nothing can be known of a process on another host, so its run counts as running. Where
   * this process may not ask about others, a lock on the run's folder shows that the run is in progress.
   */
  stateOf({ runId, status, host, pid }: RunRecord): RunState {
    if (status !== "running" || host !== hostname()) return status;
    const mayAsk = !this.isCleared || Deno.permissions.querySync({ name: "run" }).state === "granted";
    return (mayAsk ? isRunning(pid) : isFolderLocked(this.folderOf(runId))) ? "running" : "killed";
  }

  /** The plan of a run; undefined for runs of noiseline 0.2 and before. */
  plan(runId: string): PlanRecord | undefined {
    return readRecord(join(this.folderOf(runId), "plan.json"), planRecordSchema);
  }

  /** Adds a line to the history of a stage's figures. */
  addFigures(runId: string, stage: string, row: FigureRow): void {
    const path = this.figuresPath(runId, stage);
    if (this.#makeRoom(runId, path)) ignoreIoErrors(() => appendLine(path, JSON.stringify(row)));
  }

  /** @returns the path of the preview; undefined if the preview could not be written */
  keepPreview(runId: string, stage: string, step: number, png: Uint8Array): string | undefined {
    const path = this.previewPath(runId, stage, step);
    return this.#makeRoom(runId, path) && this.#leave(path, png) ? path : undefined;
  }

  /** Makes the folder of a run's file, but not the run's own folder: that may lie on a mount that is missing now. */
  #makeRoom(runId: string, path: string): boolean {
    return isThere(this.folderOf(runId)) && ignoreIoErrors(() => makeFolder(dirname(path)));
  }

  /** Steps that have a preview, ascending. */
  previews(runId: string, stage: string): number[] {
    const folder = dirname(this.previewPath(runId, stage, 0));
    const entries = isThere(folder) ? entriesOf(folder) : [];
    const steps = entries.flatMap(({ name }) => /^(\d{1,16})\.png$/.exec(name)?.[1] ?? []).map(Number);
    return steps.sort((a, b) => a - b).slice(-MAX_PREVIEWS);
  }

  /**
   * Replaces a file atomically but unflushed: readers see it whole, and a power cut may lose it.
   * @returns true on success
   */
  #leave(path: string, content: string | Uint8Array): boolean {
    return ignoreIoErrors(() => {
      writeUnflushed(`${path}.tmp`, content);
      rename(`${path}.tmp`, path);
    });
  }

  write(record: RunRecord): void {
    const path = join(this.folderOf(record.runId), "run.json");
    ignoreIoErrors(() => writeAtomically(path, recordText(path, runRecordSchema, record)));
    if (record.status === "running") return;
    this.#held.get(record.runId)?.[Symbol.dispose]();
    this.#held.delete(record.runId);
  }

  log(runId: string, stage: string, text: string): void {
    ignoreIoErrors(() => appendLine(this.logPath(runId, stage), text));
  }

  /** Records one line for each stage that starts or ends, so that a run can be watched while it is in progress. */
  note(runId: string, line: RunNote): void {
    ignoreIoErrors(() => appendLine(join(this.folderOf(runId), "stages.jsonl"), JSON.stringify(line)));
  }

  /** Records what the run relies on from now on; `gc` looks here. */
  use(runId: string, used: Partial<UsedLine>): void {
    if (!this.isCleared) return;
    ignoreIoErrors(() => appendLine(join(this.folderOf(runId), "used.jsonl"), JSON.stringify(used)));
  }

  /** All that a run has relied on: results by stage, and identity keys of the progress that its stages worked on. */
  used(runId: string): UsedLine {
    const used = usedLineSchema.parse({});
    for (const [id, stage] of Object.entries(this.read(runId)?.stages ?? {})) {
      if (stage.resolvedKey !== null) used.results[id] = stage.resolvedKey;
    }
    for (const line of readRecords(join(this.folderOf(runId), "used.jsonl"), usedLineSchema)) {
      for (const [what, entries] of Object.entries(line)) Object.assign(used[what as keyof UsedLine], entries);
    }
    return used;
  }

  /** Writes how far a stage is. The file is not flushed: after a power cut nobody asks how far a dead process was. */
  writeProgress(runId: string, stage: string, progress: LiveProgress): void {
    this.#leave(this.#livePath(runId, stage), JSON.stringify(progress));
  }

  /** The progress that a stage wrote last; undefined before its first second is over, and after it reached its end. */
  lastProgress(runId: string, stage: string): LiveProgress | undefined {
    return readRecord(this.#livePath(runId, stage), liveProgressSchema);
  }

  /** Removes the progress of a stage that has ended. */
  removeProgress(runId: string, stage: string): void {
    removeQuietly(this.#livePath(runId, stage));
  }

  #livePath(runId: string, stage: string): string {
    return join(this.folderOf(runId), `${fileNameOf(stage)}.live.json`);
  }

  read(runId: string): RunRecord | undefined {
    return readRecord(join(this.folderOf(runId), "run.json"), runRecordSchema);
  }

  /** Names of the folders of runs, newest first, also of runs whose records cannot be read. */
  ids(): string[] {
    const folders = entriesOf(this.root).filter((entry) => entry.isDirectory);
    return folders.map((entry) => entry.name).sort().reverse();
  }

  /** Records of runs, newest first. */
  newestFirst(): IteratorObject<RunRecord, undefined> {
    return this.ids().values().map((id) => this.read(id)).filter((record) => record !== undefined);
  }
}
