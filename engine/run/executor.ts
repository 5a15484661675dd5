import type { ArtifactRecord } from "../../schemas/records.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { PlannedAction } from "../plan/plan.ts";
import type { StageLog } from "../process/lines.ts";
import type { StageEvent, StageOutcome, StartMessage } from "../process/protocol.ts";
import type { Spread } from "../process/start_program.ts";
import type { Grants } from "./rights.ts";
import type { Store } from "../store/store.ts";
import type { Emit, StageEndState, StageProblem } from "./events.ts";

export interface ExecutionOptions {
  readonly emit: Emit;
  /** First request to stop: programs save and end. */
  readonly stop: AbortSignal;
  /** Second request: processes are killed. */
  readonly kill: AbortSignal;
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
  /** Set for a program that runs on several nodes. */
  readonly spread?: Spread;
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
  /**
   * Makes an action ready that is about to start: its keys, device and slots are known.
   * @param name a name for the folder, which no other action of the run has
   * @param here the executor of this machine
   * @returns why the action cannot be carried out, if it cannot
   */
  open(planned: PlannedAction, name: string, here: Executor): Promise<Workspace | StageProblem>;
  /** True if doing an action twice, here and on another machine, is a waste even if the action is short. */
  readonly claimsAll?: true;
  /**
   * How actions ended, by id, that were carried out before the run and have no result. They are not among the targets,
   * but they are counted, and any of them makes the run `failed`.
   */
  readonly ended?: ReadonlyMap<string, StageEndState>;
}
