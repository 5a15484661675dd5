import { join } from "node:path";
import type { StageRun } from "../../contract/stage.ts";
import { makeContext, runStage } from "../process/context.ts";
import { removeQuietly } from "../store/files.ts";
import type { ExecutionOptions, Workspace } from "./executor.ts";
import type { InlineProgram } from "../keys/program.ts";

/**
 * Runs programs in this process, which reads the objects in the store. Such programs come by the thousand and last a
 * millisecond, so they share a few folders that are used again once they are empty: with a fresh folder for each, a
 * first run of 1,000 stages takes at least a quarter longer, since flushing files to disk waits for these folders too.
 */
export class InlineExecutor {
  readonly #free: string[] = [];
  #count = 0;

  constructor(private readonly options: ExecutionOptions) {}

  open({ entry }: InlineProgram): Workspace {
    const { store: { objects, paths }, runId, stop } = this.options;
    const folder = this.#free.pop() ?? join(paths.tmp, `${runId}-inline-${this.#count++}`);
    return {
      folder,
      canBeStopped: false,
      layOut: () => null,
      execute: async ({ start, emit }) => {
        const { default: run } = await import(entry) as { default: StageRun };
        return await runStage(run, makeContext(start, stop, emit, (file) => objects.pathOf(file.sha256)));
      },
      close: (isEmpty) => isEmpty ? void this.#free.push(folder) : removeQuietly(folder),
    };
  }

  /** Removes the folders that are left. */
  close(): void {
    this.#free.splice(0).forEach(removeQuietly);
  }
}
