import { dirname, join } from "node:path";
import { type ProgressManifest, progressManifestSchema, relativePathSchema } from "../../schemas/records.ts";
import type { SavedState, StageProgress } from "../../contract/stage.ts";
import {
  copyFile,
  flushAndHash,
  makeFolder,
  moveInto,
  removeQuietly,
  removeTree,
  syncFolder,
  writeNew,
} from "./files.ts";
import { entriesOf, holds, isThere, sha256Of, statIfThere } from "./reading.ts";
import { inside, openRoot } from "./roots.ts";
import { readRecord, recordText } from "./records.ts";

const KEPT = 2;
const MANIFEST = "manifest.json";
const STATE = /^step-(\d+)$/;
/** A stage may write to its progress by itself: what it leaves must cost those who look at it little. */
const LOOKED_AT = 64;
const MAX_MANIFEST_BYTES = 2 ** 20;

/** Where the progress of one identity within one numerics lives. */
export function progressFolder(root: string, identityKey: string, numerics: string | undefined): string {
  const safe = (numerics ?? "any").replaceAll(/[^A-Za-z0-9._-]/g, "_");
  return join(root, identityKey.slice(0, 2), identityKey, safe);
}

/** Steps whose states are there, newest first; none of them is checked. */
export function savedSteps(folder: string): number[] {
  const folders = isThere(folder) ? entriesOf(folder).filter(({ isDirectory }) => isDirectory) : [];
  return folders.flatMap(({ name }) => STATE.exec(name)?.[1] ?? []).map(Number).sort((a, b) => b - a);
}

/** The manifest of a state that looks whole. */
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
 * Copy the state of a step to another folder of states, where it appears when it is whole and on disk.
 * @returns false where it does not hold what was saved, or is gone
 */
export async function copyState(from: string, to: string, step: number): Promise<boolean> {
  const manifest = readWhole(from, step);
  if (manifest === undefined) return false;
  const home = join(from, `step-${step}`);
  try {
    return await putState(to, step, async (temporary) => {
      for (const { path, sha256 } of manifest.files) {
        const copy = inside(temporary, path);
        makeFolder(dirname(copy));
        copyFile(inside(home, path), copy);
        // Who saves may have removed it meanwhile for a newer one.
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
 * Put the state of a step into a folder of states, where it appears when it is whole and on disk.
 *
 * @param fill writes its files to a folder, and says what they are; undefined to give up
 * @returns whether it is there
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
    // A state counts once it has its name, so by then the names of all its files must be on disk.
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

/** The newest step at or below `limit` whose state looks whole; for planning, which does not hash. */
export function newestSavedStep(folder: string, limit: number): number | undefined {
  return listSaved(folder, limit)[0]?.step;
}

/** The states that are there, each with what tells it from one of the same step that is saved later. */
export function statesIn(folder: string): ReadonlyMap<number, string> {
  return new Map(
    savedSteps(folder).map((step) => {
      const info = statIfThere(join(folder, `step-${step}`, MANIFEST));
      return [step, `${info?.ino} ${info?.mtime?.getTime()}`];
    }),
  );
}

/**
 * Remove the states that were saved since. Those from before stay, as do those of longer runs.
 * @returns how many were removed
 */
export function removeStatesSince(folder: string, before: ReadonlyMap<number, string>): number {
  const since = [...statesIn(folder)].filter(([step, state]) => before.get(step) !== state);
  for (const [step] of since) removeTree(join(folder, `step-${step}`));
  if (since.length > 0) syncFolder(folder);
  return since.length;
}

/**
 * Keep two of the given states: if the newest turns out torn, the one before it serves. Those that were saved since stay,
 * and states beyond the wanted extent, which belong to a longer run. The run does this and not the stage's process, since
 * only states that were saved before an edit of the code are worth going on from, and the run looks for edits.
 * @param steps newest first
 */
export function pruneStates(folder: string, steps: Iterable<number>, limit: number): void {
  for (const step of [...steps].filter((step) => step <= limit).slice(KEPT)) removeTree(join(folder, `step-${step}`));
}

/** The whole states of a stage that a run may continue from, newest first, as explanations show them. */
export function listSaved(folder: string, limit: number) {
  return savedSteps(folder).filter((step) => step <= limit).slice(0, LOOKED_AT).flatMap((step) => {
    const files = readWhole(folder, step)?.files;
    const sizeBytes = files?.reduce((sum, { size }) => sum + size, 0);
    const savedAt = statIfThere(join(folder, `step-${step}`, MANIFEST))?.mtime ?? undefined;
    return sizeBytes === undefined ? [] : [{ step, sizeBytes, savedAt }];
  });
}

/** Saved states of one stage, written by the worker and read by the next one. */
export class ProgressStore implements StageProgress {
  /** The stage began now, before any save. */
  #savedAt = performance.now();

  /**
   * @param limit the wanted extent: states beyond it belong to longer runs and are not used
   * @param onDamage told of each state that is passed over because it does not hold what was saved
   */
  constructor(
    private readonly folder: string,
    private readonly limit: number,
    private readonly onSave: (step: number) => void = () => {},
    private readonly onDamage: (step: number) => void = () => {},
  ) {
    openRoot(folder);
  }

  async latest(): Promise<SavedState | undefined> {
    for (const step of savedSteps(this.folder)) {
      if (step > this.limit) continue;
      const home = join(this.folder, `step-${step}`);
      // A state with one flipped bit would poison everything after it, so it is hashed before it is used.
      const good = readWhole(this.folder, step)?.files.every(({ path, sha256 }) => holds(inside(home, path), sha256));
      if (good) return { step, read: (name) => Deno.readFile(inside(home, relativePathSchema.parse(name))) };
      this.onDamage(step);
    }
    return undefined;
  }

  save(step: number, files: Readonly<Record<string, Uint8Array>>): Promise<void> {
    if (Object.hasOwn(files, MANIFEST)) {
      throw new RangeError(`Cannot save a file named ${MANIFEST}: it is the state's own`);
    }
    // At once, also for a stage that does not wait for it.
    Object.keys(files).forEach((name) => relativePathSchema.parse(name));
    return this.#save(step, files);
  }

  async #save(step: number, files: Readonly<Record<string, Uint8Array>>): Promise<void> {
    await putState(this.folder, step, (temporary) =>
      Object.entries(files).map(([name, content]) => {
        const path = inside(temporary, name);
        if (name.includes("/")) makeFolder(dirname(path));
        writeNew(path, content);
        return { path: name, size: content.length, sha256: sha256Of(content) };
      }));
    // Temporary folders are those of killed workers, since the lock admits one at a time.
    for (const { name } of entriesOf(this.folder)) {
      if (name.startsWith("tmp-")) removeTree(join(this.folder, name));
    }
    // From the end of a save, so that slow saves leave time for work between them.
    this.#savedAt = performance.now();
    this.onSave(step);
  }

  isDue(everySeconds: number): boolean {
    return performance.now() - this.#savedAt >= everySeconds * 1_000;
  }
}
