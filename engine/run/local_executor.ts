import { join } from "node:path";
import type { StageRun } from "../../contract/stage.ts";
import { type Diagnostic, errorOf } from "../diagnostic/diagnostic.ts";
import type { InlineProgram } from "../keys/program.ts";
import { mayRun, type Plan, type PlannedAction } from "../plan/plan.ts";
import { runInChild } from "../process/child.ts";
import { runCommand } from "../process/command.ts";
import { makeContext, runStage } from "../process/context.ts";
import { removeQuietly } from "../store/files.ts";
import type { Store } from "../store/store.ts";
import type { ExecutionOptions, Executor, Workspace } from "./executor.ts";
import { ProcessExecutor } from "./process_executor.ts";

/**
 * Carries out actions on this machine. The one place that asks what an action's program is.
 *
 * Inline programs run in this process, which reads the objects in the store. They come by the thousand and last a
 * millisecond, so they share a few folders that are used again once they are empty: with a fresh folder for each, a
 * first run of 1,000 stages takes at least a quarter longer, since flushing files to disk waits for these folders too.
 */
export class LocalExecutor implements Executor, Disposable {
  readonly #process: ProcessExecutor;
  readonly #free: string[] = [];
  #count = 0;

  constructor(private readonly options: ExecutionOptions) {
    this.#process = new ProcessExecutor(options);
  }

  async open(planned: PlannedAction, name: string): Promise<Workspace> {
    const { program } = planned;
    switch (program.kind) {
      case "inline":
        return this.#openInline(program);
      case "module":
        return this.#process.open(program, planned, name, (start, options) => runInChild(program, start, options));
      case "command":
        return this.#process.open(program, planned, name, (start, options) => {
          return runCommand(program, start, { ...options, home: this.options.pipeline.folder });
        });
    }
  }

  #openInline({ entry }: InlineProgram): Workspace {
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

  [Symbol.dispose](): void {
    this.#free.splice(0).forEach(removeQuietly);
  }
}

/**
 * Returns an error for a store that the processes of stages cannot reach: Deno gives a process with restricted
 * permissions no access below /dev, /proc and /sys, whatever the permissions are.
 */
export function findClosedStore({ actions }: Plan, { root }: Store): Diagnostic | undefined {
  const starts = [...actions.values()].some((planned) => planned.program.kind !== "inline" && mayRun(planned));
  if (!starts || !/^\/(?:dev|proc|sys)\//.test(root)) return undefined;
  const message = `Cannot keep the store at ${root}: Deno gives the processes of stages no access there`;
  const fix = "give a folder elsewhere with --store; a tmpfs may be mounted anywhere";
  return errorOf("file-unreadable", message, fix);
}
