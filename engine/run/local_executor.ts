import type { PlannedAction } from "../plan/plan.ts";
import type { ExecutionOptions, Executor, Workspace } from "./executor.ts";
import { InlineExecutor } from "./inline_executor.ts";
import { ProcessExecutor } from "./process_executor.ts";

/** Carries out actions on this machine. The one place that asks what an action's program is. */
export class LocalExecutor implements Executor, Disposable {
  readonly #inline: InlineExecutor;
  readonly #process: ProcessExecutor;

  constructor(options: ExecutionOptions) {
    this.#inline = new InlineExecutor(options);
    this.#process = new ProcessExecutor(options);
  }

  async open(planned: PlannedAction, name: string): Promise<Workspace> {
    const { program } = planned;
    switch (program.kind) {
      case "inline":
        return this.#inline.open(program);
      case "module":
        return this.#process.open(program, planned, name);
    }
  }

  [Symbol.dispose](): void {
    this.#inline.close();
  }
}
