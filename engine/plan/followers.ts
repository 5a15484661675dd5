import { predecessorsOf } from "../keys/stage.ts";
import { mayWork, type Plan, WORKING_STATES } from "./plan.ts";

/** Stages that read others, directly or not, by what will happen to them, in dependency order. */
export interface Followers {
  /** They run, whatever comes from upstream. */
  readonly certain: readonly string[];
  /** They run if what they read comes out with other bytes. */
  readonly mayRun: readonly string[];
  /** Their results are there. */
  readonly unchanged: readonly string[];
}

export function findFollowers(plan: Plan, ids: Iterable<string>): Followers {
  const own = new Set(ids);
  const found = new Set(own);
  const followers = { certain: [] as string[], mayRun: [] as string[], unchanged: [] as string[] };
  for (const { stage, state } of plan.stages.values()) {
    // Waiting alone changes nothing.
    if (!Object.values(stage.inputs).flat().some((binding) => found.has(binding.stage))) continue;
    found.add(stage.id);
    if (own.has(stage.id)) continue;
    const list = WORKING_STATES.has(state) ? "certain" : state === "may-run" ? "mayRun" : "unchanged";
    followers[list].push(stage.id);
  }
  return followers;
}

/** Stages that these wait for and that are not there yet, in dependency order. */
export function findPending(plan: Plan, ids: Iterable<string>): string[] {
  const wanted = new Set(ids);
  const own = new Set(wanted);
  const pending: string[] = [];
  for (const planned of [...plan.stages.values()].reverse()) {
    const { stage } = planned;
    if (!wanted.has(stage.id)) continue;
    for (const before of predecessorsOf(stage)) wanted.add(before);
    if (!own.has(stage.id) && mayWork(planned)) pending.push(stage.id);
  }
  return pending.reverse();
}
