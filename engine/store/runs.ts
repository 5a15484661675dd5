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
import { ignoreTrouble } from "./trouble.ts";
import { readRecord, readRecords, recordText } from "./records.ts";
import { fileNameOf } from "./folders.ts";
import { holdFolder, isHeld } from "./locks.ts";
import { isRunning, type RunState } from "./processes.ts";

/** Previews of one stage. */
export const MAX_PREVIEWS = 500;

/**
 * Records of runs: what happened on which host and when. Nothing in here decides what is cached, so a disk that is full
 * costs the record and not the run.
 */
export class RunStore {
  /** Folders of runs that this process has begun, each held to the end of its run. */
  readonly #held = new Map<string, Disposable>();

  /** @param isCleared whether `gc` looks here, and must know what runs rely on */
  constructor(private readonly root: string, private readonly isCleared: boolean = true) {}

  folderOf(runId: string): string {
    return join(this.root, runId);
  }

  logPath(runId: string, stage: string): string {
    return join(this.folderOf(runId), "logs", `${fileNameOf(stage)}.log`);
  }

  /** The history of a stage's figures. */
  figuresPath(runId: string, stage: string): string {
    return join(this.folderOf(runId), "figures", `${fileNameOf(stage)}.jsonl`);
  }

  /** A PNG of what a stage would make by then. */
  previewPath(runId: string, stage: string, step: number): string {
    return join(this.folderOf(runId), "previews", fileNameOf(stage), `${step}.png`);
  }

  start(record: RunRecord, plan?: PlanRecord): void {
    const folder = this.folderOf(record.runId);
    ignoreTrouble(() => makeFolder(join(folder, "logs")));
    const held = this.isCleared ? holdFolder(folder) : undefined;
    if (held !== undefined) this.#held.set(record.runId, held);
    if (plan !== undefined) this.#leave(join(folder, "plan.json"), JSON.stringify(plan));
    this.write(record);
  }

  /**
   * How a run stands. Of another host's process nothing can be known, so it counts as running. Where this process may ask
   * for no other, whether the run's folder is held tells that it is on.
   */
  stateOf({ runId, status, host, pid }: RunRecord): RunState {
    if (status !== "running" || host !== hostname()) return status;
    const mayAsk = !this.isCleared || Deno.permissions.querySync({ name: "run" }).state === "granted";
    return (mayAsk ? isRunning(pid) : isHeld(this.folderOf(runId))) ? "running" : "killed";
  }

  /** What a run was to do; undefined for runs of noiseline 0.2 and before. */
  plan(runId: string): PlanRecord | undefined {
    return readRecord(join(this.folderOf(runId), "plan.json"), planRecordSchema);
  }

  /** Add a line to the history of a stage's figures. */
  addFigures(runId: string, stage: string, row: FigureRow): void {
    const path = this.figuresPath(runId, stage);
    ignoreTrouble(() => {
      if (!this.#mayAdd(runId, path)) return;
      appendLine(path, JSON.stringify(row));
    });
  }

  /** @returns where a preview lies; undefined where it could not be written */
  keepPreview(runId: string, stage: string, step: number, png: Uint8Array): string | undefined {
    const path = this.previewPath(runId, stage, step);
    let may = false;
    ignoreTrouble(() => may = this.#mayAdd(runId, path));
    return may && this.#leave(path, png) ? path : undefined;
  }

  /** Make the folder of a file of a run, but not the run's own: it may lie on a mount that is away. */
  #mayAdd(runId: string, path: string): boolean {
    if (!isThere(this.folderOf(runId))) return false;
    makeFolder(dirname(path));
    return true;
  }

  /** Steps of which there is a preview, rising. */
  previews(runId: string, stage: string): number[] {
    const folder = dirname(this.previewPath(runId, stage, 0));
    const entries = isThere(folder) ? entriesOf(folder) : [];
    const steps = entries.flatMap(({ name }) => /^(\d{1,16})\.png$/.exec(name)?.[1] ?? []).map(Number);
    return steps.sort((a, b) => a - b).slice(-MAX_PREVIEWS);
  }

  /** Replace a file that is whole for whoever reads it, and that a power cut may take. @returns whether that was possible */
  #leave(path: string, content: string | Uint8Array): boolean {
    let done = false;
    ignoreTrouble(() => {
      writeUnflushed(`${path}.tmp`, content);
      rename(`${path}.tmp`, path);
      done = true;
    });
    return done;
  }

  write(record: RunRecord): void {
    const path = join(this.folderOf(record.runId), "run.json");
    ignoreTrouble(() => writeAtomically(path, recordText(path, runRecordSchema, record)));
    if (record.status === "running") return;
    this.#held.get(record.runId)?.[Symbol.dispose]();
    this.#held.delete(record.runId);
  }

  log(runId: string, stage: string, line: string): void {
    ignoreTrouble(() => appendLine(this.logPath(runId, stage), line));
  }

  /** One line per stage that started or ended, so that a run can be looked at while it is on. */
  note(runId: string, line: RunNote): void {
    ignoreTrouble(() => appendLine(join(this.folderOf(runId), "stages.jsonl"), JSON.stringify(line)));
  }

  /** Note what the run relies on from now on; `gc` looks here. */
  use(runId: string, used: Partial<UsedLine>): void {
    if (!this.isCleared) return;
    ignoreTrouble(() => appendLine(join(this.folderOf(runId), "used.jsonl"), JSON.stringify(used)));
  }

  /** All that a run has relied on: results by stage, and identity keys of the progress that its stages worked on. */
  used(runId: string): UsedLine {
    const used: UsedLine = { results: {}, progress: {} };
    for (const [id, stage] of Object.entries(this.read(runId)?.stages ?? {})) {
      if (stage.resolvedKey !== null) used.results[id] = stage.resolvedKey;
    }
    for (const { results, progress } of readRecords(join(this.folderOf(runId), "used.jsonl"), usedLineSchema)) {
      Object.assign(used.results, results);
      Object.assign(used.progress, progress);
    }
    return used;
  }

  /** Say how far a stage is. Flushed to disk it is not: after a power cut nobody asks how far a dead process was. */
  tell(runId: string, stage: string, progress: LiveProgress): void {
    this.#leave(this.#livePath(runId, stage), JSON.stringify(progress));
  }

  /** What a stage that runs told last; undefined before its first second is over. */
  told(runId: string, stage: string): LiveProgress | undefined {
    return readRecord(this.#livePath(runId, stage), liveProgressSchema);
  }

  /** Forget what a stage told: it has ended. */
  hush(runId: string, stage: string): void {
    removeQuietly(this.#livePath(runId, stage));
  }

  #livePath(runId: string, stage: string): string {
    return join(this.folderOf(runId), `${fileNameOf(stage)}.live.json`);
  }

  read(runId: string): RunRecord | undefined {
    return readRecord(join(this.folderOf(runId), "run.json"), runRecordSchema);
  }

  /** Names of the folders of runs, newest first, whether their records can be read or not. */
  ids(): string[] {
    const folders = entriesOf(this.root).filter((entry) => entry.isDirectory);
    return folders.map((entry) => entry.name).sort().reverse();
  }

  /** Runs, newest first. */
  newestFirst(): IteratorObject<RunRecord, undefined> {
    return this.ids().values().map((id) => this.read(id)).filter((record) => record !== undefined);
  }
}
