import { dirname, join } from "node:path";
import { type ProgressManifest, progressManifestSchema, relativePathSchema } from "../../schemas/records.ts";
import type { SavedState, StageProgress } from "../contract/stage.ts";
import {
  copyFile,
  flushAndHash,
  linkOrCopy,
  makeFolder,
  moveInto,
  partsOf,
  removeQuietly,
  removeTree,
  syncFolder,
  writeAtomically,
  writeNew,
} from "./files.ts";
import { entriesOf, holds, isThere, readIfThere, sha256Of, statIfThere } from "./reading.ts";
import { allowWritesBelow, inside } from "./write_roots.ts";
import { readRecord, recordText } from "./records.ts";
import { ignoreIoErrors } from "./io_errors.ts";

const KEPT = 2;
const MANIFEST = "manifest.json";
const STATE = /^step-(\d+)$/;
/** A stage may write to its progress folder by itself, so the number of states that are examined is limited. */
const LOOKED_AT = 64;
const MAX_MANIFEST_BYTES = 2 ** 20;
/** Time for a run to write a curve; longer if it is held up, but a state is worth more than its curve. */
const CURVE_WAIT_MS = 10_000;

/** The folder for the saved states of one identity key under one numerics. */
export function progressFolder(root: string, identityKey: string, numerics: string | undefined): string {
  const safe = (numerics ?? "any").replaceAll(/[^A-Za-z0-9._-]/g, "_");
  return join(root, identityKey.slice(0, 2), identityKey, safe);
}

const CURVES = ".curve";

/** The folder for the curves that belong to the states of a folder: no program that saves states may write there. */
export function curveFolder(progress: string): string {
  return `${progress}${CURVES}`;
}

export function isCurveFolder(path: string): boolean {
  return path.endsWith(CURVES);
}

/** The file of the curve up to a state. */
export function curvePath(progress: string, step: number): string {
  return join(curveFolder(progress), `${step}.jsonl`);
}

/** The file by which whoever saves a state learns that the curve up to it is on disk. */
export function curveReply(progress: string, step: number): string {
  return join(progress, `curve-${step}`);
}

/** Removes a state and its curve. */
export function removeState(folder: string, step: number): void {
  removeTree(join(folder, `step-${step}`));
  removeTree(curvePath(folder, step));
}

/** The numerics under which an identity key has saved states, as they stand in paths. */
export function savedNumerics(root: string, identityKey: string): string[] {
  const home = dirname(progressFolder(root, identityKey, undefined));
  const names = isThere(home) ? entriesOf(home).map(({ name }) => name) : [];
  return names.filter((name) => savedSteps(join(home, name)).length > 0);
}

/** Steps that have saved states, newest first; none of the states is checked. */
export function savedSteps(folder: string): number[] {
  const folders = isThere(folder) ? entriesOf(folder).filter(({ isDirectory }) => isDirectory) : [];
  return folders.flatMap(({ name }) => STATE.exec(name)?.[1] ?? []).map(Number).sort((a, b) => b - a);
}

/** The manifest of a state, if the state looks complete. */
function readWhole(folder: string, step: number): ProgressManifest | undefined {
  const home = join(folder, `step-${step}`);
  const path = join(home, MANIFEST);
  if ((statIfThere(path)?.size ?? 0) > MAX_MANIFEST_BYTES) return undefined;
  const manifest = readRecord(path, progressManifestSchema);
  const whole = manifest?.step === step && manifest.files.every(({ path, size }) => {
    const info = statIfThere(inside(home, path));
    return info?.isFile === true && info.size === size;
  });
  return whole ? manifest : undefined;
}

/**
 * Copies the state of a step to another folder of states, where it appears once it is complete and on disk.
 * @returns false if the state does not hold what was saved, or is gone
 */
export async function copyState(from: string, to: string, step: number): Promise<boolean> {
  const manifest = readWhole(from, step);
  if (manifest === undefined) return false;
  const home = join(from, `step-${step}`);
  // A state without its curve would be taken for one that was saved before its program was killed.
  const curve = readIfThere(curvePath(from, step));
  if (curve !== undefined) {
    allowWritesBelow(curveFolder(to));
    makeFolder(curveFolder(to));
    writeAtomically(curvePath(to, step), curve);
  }
  const newest = savedSteps(to)[0] ?? step;
  const held = readWhole(to, newest)?.files.map(({ path, sha256 }) => `${path} ${sha256}`);
  try {
    return await putState(to, step, async (temporary) => {
      for (const { path, sha256 } of manifest.files) {
        const copy = inside(temporary, path);
        makeFolder(dirname(copy));
        if (held?.includes(`${path} ${sha256}`)) {
          // A large file that does not change any more is in one state after the other.
          linkOrCopy(inside(to, `step-${newest}`, path), copy);
          continue;
        }
        copyFile(inside(home, path), copy);
        // The process that saves states may have removed this one meanwhile for a newer one.
        if (await flushAndHash(copy) !== sha256) return undefined;
      }
      return manifest.files;
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Puts the state of a step into a folder of states, where it appears once it is complete and on disk.
 *
 * @param fill writes the state's files to a folder and returns their entries; undefined to give up
 * @returns true if the state is there
 */
async function putState(
  folder: string,
  step: number,
  fill: (temporary: string) => ProgressManifest["files"] | Promise<ProgressManifest["files"] | undefined>,
): Promise<boolean> {
  const target = join(folder, `step-${step}`);
  const temporary = join(folder, `tmp-${step}-${Deno.pid}`);
  removeTree(temporary);
  try {
    makeFolder(temporary);
    const files = await fill(temporary);
    if (files === undefined) return false;
    const manifest = join(temporary, MANIFEST);
    writeNew(manifest, recordText(manifest, progressManifestSchema, { format: 1, step, files }));
    // A state counts once it has its name, so the names of all its files must be on disk by then.
    const folders = new Set([temporary]);
    for (const { path } of files) {
      for (let at = dirname(inside(temporary, path)); !folders.has(at); at = dirname(at)) folders.add(at);
    }
    folders.forEach(syncFolder);
    removeTree(target);
    moveInto(temporary, target);
    return true;
  } finally {
    removeQuietly(temporary);
  }
}

/** The newest step up to `limit` whose state looks complete; for planning, which does not hash. */
export function newestSavedStep(folder: string, limit: number): number | undefined {
  return listSaved(folder, limit)[0]?.step;
}

/** The states in a folder by step, each with a text that distinguishes it from a later save of the same step. */
export function statesIn(folder: string): ReadonlyMap<number, string> {
  return new Map(
    savedSteps(folder).map((step) => {
      const info = statIfThere(join(folder, `step-${step}`, MANIFEST));
      return [step, `${info?.ino} ${info?.mtime?.getTime()}`];
    }),
  );
}

/**
 * Removes the states that were saved since `before` was taken. Earlier states stay, and so do those of longer runs.
 * @returns how many were removed
 */
export function removeStatesSince(folder: string, before: ReadonlyMap<number, string>): number {
  const since = [...statesIn(folder)].filter(([step, state]) => before.get(step) !== state);
  for (const [step] of since) removeState(folder, step);
  if (since.length > 0) syncFolder(folder);
  return since.length;
}

/**
 * Keeps two of the given states: if the newest turns out torn, the one before it serves. States that were saved since
 * they were listed stay, and so do states beyond the wanted extent, which belong to a longer run. The run does this and
 * not the stage's process, since only states that were saved before an edit of the code are worth continuing from, and
 * the run looks for edits.
 * @param steps newest first
 */
export function pruneStates(folder: string, steps: Iterable<number>, limit: number): void {
  const old = [...steps].filter((step) => step <= limit).slice(KEPT);
  // The next save tries again.
  ignoreIoErrors(() => old.forEach((step) => removeState(folder, step)));
}

/** The complete states of a stage that a run may continue from, newest first, with what explanations show of them. */
export function listSaved(folder: string, limit: number) {
  return savedSteps(folder).filter((step) => step <= limit).slice(0, LOOKED_AT).flatMap((step) => {
    const files = readWhole(folder, step)?.files;
    const sizeBytes = files?.reduce((sum, { size }) => sum + size, 0);
    const savedAt = statIfThere(join(folder, `step-${step}`, MANIFEST))?.mtime ?? undefined;
    return sizeBytes === undefined ? [] : [{ step, sizeBytes, savedAt }];
  });
}

/** Saved states of one stage, written by its worker and read by the next one. */
export class ProgressStore implements StageProgress {
  /** The time of the last save, and before that of the stage's start. */
  #savedAt = performance.now();
  /** Digests of linked files, which are in later states too, by what changes if a file is written to. */
  readonly #digests = new Map<string, Promise<string>>();

  /**
   * @param limit the wanted extent: states beyond it belong to longer runs and are not used
   * @param onDamage called for each state that is skipped because it does not hold what was saved
   * @param onLoad called with the step of each state that is read; null for none
   * @param onSaving called before a state counts, which then waits for its curve
   */
  constructor(
    private readonly folder: string,
    private readonly limit: number,
    private readonly onSave: (step: number) => void = () => {},
    private readonly onDamage: (step: number) => void = () => {},
    private readonly onLoad: (step: number | null) => void = () => {},
    private readonly onSaving?: (step: number) => void,
  ) {
    allowWritesBelow(folder);
  }

  async latest(): Promise<SavedState | undefined> {
    for (const step of savedSteps(this.folder)) {
      if (step > this.limit) continue;
      const home = join(this.folder, `step-${step}`);
      // One flipped bit in a state would poison everything after it, so a state is hashed before it is used.
      const good = readWhole(this.folder, step)?.files.every(({ path, sha256 }) => holds(inside(home, path), sha256));
      if (good) {
        this.onLoad(step);
        return this.#stateOf(step);
      }
      this.onDamage(step);
    }
    this.onLoad(null);
    return undefined;
  }

  #stateOf(step: number): SavedState {
    const path = (name: string) => inside(this.folder, `step-${step}`, relativePathSchema.parse(name));
    return { step, path, read: (name) => Deno.readFile(path(name)) };
  }

  save(step: number, files: Parameters<StageProgress["save"]>[1]): Promise<SavedState> {
    if (Object.hasOwn(files, MANIFEST)) {
      throw new RangeError(`Cannot save a file named ${MANIFEST}: it is the state's own`);
    }
    // Checked at once, even for a stage that does not await the save.
    Object.keys(files).forEach((name) => relativePathSchema.parse(name));
    return this.#save(step, files);
  }

  async #save(step: number, files: Parameters<StageProgress["save"]>[1]): Promise<SavedState> {
    await putState(this.folder, step, async (temporary) => {
      const entries = await Promise.all(
        Object.entries(files).map(async ([name, content]) => {
          const path = inside(temporary, name);
          if (name.includes("/")) makeFolder(dirname(path));
          if ("path" in content) linkOrCopy(content.path, path);
          else writeNew(path, content);
          const { ino, size, mtime } = Deno.statSync(path);
          const linked = () =>
            this.#digests.getOrInsertComputed(`${ino} ${size} ${mtime?.getTime()}`, () => flushAndHash(path));
          return { path: name, size, sha256: "path" in content ? await linked() : sha256Of(...partsOf(content)) };
        }),
      );
      if (this.onSaving !== undefined) await this.#waitForCurve(step, this.onSaving);
      return entries;
    });
    // Temporary folders are left by killed workers, since the lock admits one worker at a time.
    for (const { name } of entriesOf(this.folder)) {
      if (name.startsWith("tmp-")) removeTree(join(this.folder, name));
    }
    // Counted from the end of a save, so that slow saves leave time for work between them.
    this.#savedAt = performance.now();
    this.onSave(step);
    return this.#stateOf(step);
  }

  /** A kill must not find a state without all that was reported before it was saved. */
  async #waitForCurve(step: number, ask: (step: number) => void): Promise<void> {
    const [reply, until] = [curveReply(this.folder, step), performance.now() + CURVE_WAIT_MS];
    removeQuietly(reply);
    ask(step);
    while (!isThere(reply) && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 1));
    removeQuietly(reply);
  }

  isDue(everySeconds: number): boolean {
    return performance.now() - this.#savedAt >= everySeconds * 1_000;
  }
}
