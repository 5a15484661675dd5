import type { PlannedAction } from "../plan/plan.ts";
import type { StageEndState, StageProblem } from "../run/events.ts";
import type { Executor, Workspace } from "../run/executor.ts";
import { progressFolder } from "../store/progress.ts";
import type { Store } from "../store/store.ts";
import { SharedStates } from "./shared_states.ts";
import type { Queue } from "./queue.ts";
import { DENO_FLAGS, NODE } from "./script.ts";
import { type Attempt, clusterFolder, isHere, type OpenSubmission } from "./submission.ts";

/**
 * Returns the executor of a run whose actions the jobs of a queue have carried out. Their results are in the shared
 * cache, and nothing is computed here.
 * @param ended how actions ended that have no result
 * @param fix the fix for a result in the shared cache that is damaged
 */
export function executorOfJobs(ended: ReadonlyMap<string, StageEndState>, fix: string): Executor {
  const message = "its result in the shared cache is damaged, and nothing is computed here";
  return { ended, open: () => Promise.resolve({ message, fix }) };
}

/**
 * Carries out the action of a job on its node: continues from the newest state that any attempt has saved, and sends
 * each state that is saved now.
 */
export class JobExecutor implements Executor {
  readonly claimsAll = true;
  /** The states of the action; undefined until it is about to start. */
  states: SharedStates | undefined;
  /** The step that the action continues from. */
  fromStep = 0;

  /**
   * @param spread starts a command on each node of the job
   * @param note notes the step that the action continues from, and later each step that it has saved in the cache
   * @param note.return why the action is given up, if it is
   */
  constructor(
    private readonly submission: OpenSubmission,
    private readonly own: Attempt,
    private readonly store: Store,
    private readonly spread: Queue["spread"],
    private readonly note: (fromStep: number, toStep?: number) => StageProblem | undefined,
  ) {}

  async open(planned: PlannedAction, name: string, here: Executor): Promise<Workspace | StageProblem> {
    const { submission, own: { job, attempt }, store } = this;
    const { stage: { extent: limit = Number.MAX_SAFE_INTEGER }, keys, device } = planned;
    const [{ identityKey }, numerics] = [keys!, device?.numerics];
    const progress = progressFolder(store.paths.progress, identityKey, numerics);
    const onSent = (step: number) => void this.note(this.fromStep, step);
    const place = { identityKey, numerics, limit, progress, onSent };
    const states = new SharedStates(clusterFolder(submission.cache, "states"), `${job}.${attempt}`, place);
    this.states = states;
    this.fromStep = await states.download();
    const opened = this.note(this.fromStep) ?? await here.open(planned, name, here);
    if ("message" in opened) return opened;
    const { nodes = 1 } = planned.stage.resources;
    const execute: Workspace["execute"] = (order) =>
      opened.execute({
        ...order,
        ...nodes > 1 && { spread: this.spread(nodes, [Deno.execPath(), "run", "-A", ...DENO_FLAGS, NODE]) },
        emit: (event) => {
          order.emit(event);
          // Nothing is written in place of a mount that is away.
          if (event.type === "saved" && isHere(submission.folder)) states.send(event.step);
        },
      });
    return { ...opened, execute };
  }
}
