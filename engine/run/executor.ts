import type { ArtifactRecord } from "../../schemas/records.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { PlannedAction } from "../plan/plan.ts";
import type { StageLog } from "../process/lines.ts";
import type { StageEvent, StageOutcome, StartMessage } from "../process/protocol.ts";
import type { Grants } from "../process/rights.ts";
import type { Store } from "../store/store.ts";
import type { RunOptions } from "./events.ts";

export interface ExecutionOptions extends Required<Pick<RunOptions, "emit" | "stop" | "kill">> {
  readonly pipeline: Pipeline;
  readonly store: Store;
  readonly runId: string;
  /** The rights of custom stages. */
  readonly grants: Grants;
}

/** How a program is started, once its inputs are laid out and its slots are held. */
export interface Order {
  /** Everything that the program is told. */
  readonly start: StartMessage;
  /** Ids of the graphics cards that the program may use. */
  readonly gpus: readonly string[];
  readonly emit: (event: StageEvent) => void;
  readonly log: StageLog;
  /** Kills the program. */
  readonly kill: AbortSignal;
}

/** An action that is about to be carried out, and the folder that has what its program reads and gets its outputs. */
export interface Workspace {
  readonly folder: string;
  /** False for work of milliseconds, which nothing can stop. */
  readonly canBeStopped: boolean;
  /**
   * Makes an input available to the program.
   * @returns the folder that has its files; null if the program reads them in the store
   */
  layOut(files: ArtifactRecord["files"], name: string, index: number): string | null;
  execute(order: Order): Promise<StageOutcome>;
  /** @param isEmpty true if nothing is left in the folder */
  close(isEmpty: boolean): void;
}

/**
 * Carries out actions: runs the program of an action until the outputs lie in their folders. An executor neither looks
 * for results nor publishes any.
 */
export interface Executor {
  /** @param name of the folder, which no other action has */
  open(planned: PlannedAction, name: string): Workspace;
}
