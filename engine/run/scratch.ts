import { join } from "node:path";
import { makeFolder, removeQuietly } from "../store/files.ts";

/**
 * Temporary folders of stages. A stage with a process of its own gets a fresh folder. Inline stages, which come by the
 * thousand and last a millisecond, share a few that are used again once they are empty.
 */
export class ScratchFolders {
  readonly #free: string[] = [];
  readonly #made = new Set<string>();
  #count = 0;

  constructor(private readonly root: string, private readonly runId: string) {}

  /** @param name of a fresh folder; undefined for a shared one */
  take(name: string | undefined): string {
    if (name !== undefined) return join(this.root, name);
    return this.#free.pop() ?? join(this.root, `${this.runId}-inline-${this.#count++}`);
  }

  ensure(folder: string): void {
    if (this.#made.has(folder)) return;
    makeFolder(folder);
    this.#made.add(folder);
  }

  /** @param clean whether nothing is left in it, so that the next stage may have it */
  giveBack(folder: string, clean: boolean): void {
    if (clean && folder.includes(`${this.runId}-inline-`)) {
      this.#free.push(folder);
      return;
    }
    removeQuietly(folder);
    for (const made of this.#made) if (made.startsWith(folder)) this.#made.delete(made);
  }

  close(): void {
    for (const folder of this.#free.splice(0)) removeQuietly(folder);
  }
}
