import type { JobState } from "../queue.ts";

const STATES: readonly (readonly [JobState, string])[] = [
  ["running", "CONFIGURING RUNNING SUSPENDED STOPPED SIGNALING STAGE_OUT"],
  ["ending", "COMPLETING"],
  ["done", "COMPLETED"],
  ["cancelled", "CANCELLED REVOKED"],
  ["preempted", "PREEMPTED"],
  ["timeout", "TIMEOUT DEADLINE"],
  ["failed", "FAILED BOOT_FAIL NODE_FAIL OUT_OF_MEMORY"],
];

/** A state that is not known here is taken for one that may still end well, as all that are not in the list are. */
export function stateOf(word: string): JobState {
  return STATES.find(([, words]) => words.split(" ").includes(word))?.[0] ?? "waiting";
}

const REASONS: readonly (readonly [RegExp, string])[] = [
  [/^Priority$/, "other jobs are before it"],
  [/^Resources$/, "what it needs is in use"],
  [/^Dependency$/, "it waits for other jobs"],
  [/^DependencyNeverSatisfied$/, "a job that it waits for did not end well"],
  [/^BeginTime$/, "its time has not come; a job that is queued again waits some minutes"],
  [/^JobArrayTaskLimit$/, "as many of its array run as may at a time"],
  [/^(ReqNodeNotAvail|NodeDown|Nodes_required)/, "nodes that it needs are down or reserved"],
  [/^PartitionTimeLimit$/, "its time limit is above the partition's: it would wait for ever"],
  [/^Partition(Config|NodeLimit)$|^BadConstraints$/, "no node of the partition has what it asks for"],
  [/^Partition(Down|Inactive)$/, "the partition is closed"],
  [/^(Assoc|Association|MaxJobs|MaxSubmit)/, "a limit of the account is reached"],
  [/^QOS/, "a limit of the quality of service is reached"],
  [/^JobHeldUser$/, "held by its user"],
  [/^JobHeldAdmin$/, "held by an administrator"],
  [/^JobHoldMaxRequeue$|held/i, "held, as it was started in vain too often"],
  [/^Cleaning$/, "its last attempt is not yet gone"],
  [/^JobLaunchFailure$/, "it could not be started: is its log folder seen by the node?"],
  [/^(None|InvalidReason|)$/, ""],
];

/** Why a job waits, or what became of it, in plain words and Slurm's own; those that are not known as they are. */
export function reasonOf(word: string): string {
  const found = REASONS.find(([pattern]) => pattern.test(word))?.[1];
  if (found === undefined) return word;
  return found === "" ? "" : `${found} (${word})`;
}

/**
 * What becomes of a submission that was not taken. Messages of Slurm 22.05 to 24.11; where a limit is reached, the limit
 * stands before the message, which is the same for jobs that are too large.
 */
export function troubleOf(said: string): "full" | "refused" | "order" | "silent" {
  if (/(Max|Grp)Submit|temporarily un(able|available)|queue full/i.test(said)) return "full";
  if (/job dependency problem/i.test(said)) return "order";
  const silent =
    /no answer|timed out|unable to contact|connect(ion)? (failure|refused)|not connected|zero bytes|standby mode|receive failure|authentication|munge|unexpected message/i;
  return silent.test(said) ? "silent" : "refused";
}
