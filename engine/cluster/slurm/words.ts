import type { JobState } from "../queue.ts";

const STATES: readonly (readonly [JobState, string])[] = [
  ["running", "CONFIGURING RUNNING SIGNALING STAGE_OUT"],
  ["suspended", "SUSPENDED STOPPED"],
  ["ending", "COMPLETING"],
  ["done", "COMPLETED"],
  ["cancelled", "CANCELLED REVOKED"],
  ["preempted", "PREEMPTED"],
  ["timeout", "TIMEOUT DEADLINE"],
  ["failed", "FAILED BOOT_FAIL NODE_FAIL OUT_OF_MEMORY"],
];

/**
 * Returns the state for Slurm's word. Words that are not listed (PENDING, REQUEUED, those of newer versions) count as
 * `waiting`: the job may still end well.
 */
export function stateOf(word: string): JobState {
  return STATES.find(([, words]) => words.split(" ").includes(word))?.[0] ?? "waiting";
}

const REASONS: readonly (readonly [RegExp, string])[] = [
  [/^Priority$/, "for jobs that come first"],
  [/^Resources$/, "for free resources"],
  [/^Dependency$/, "for other jobs"],
  [/^DependencyNeverSatisfied$/, "for a job that did not end well"],
  [/^BeginTime$/, "for a set time; what is queued again waits some minutes"],
  [/^JobArrayTaskLimit$/, "for others of the array"],
  [/^(ReqNodeNotAvail|NodeDown|Nodes_required)/, "for nodes that are down or reserved"],
  [/^PartitionTimeLimit$/, "for ever: the time limit is above the partition's"],
  [/^Partition(Config|NodeLimit)$|^BadConstraints$/, "for a node that has what is asked for: the partition has none"],
  [/^Partition(Down|Inactive)$/, "for the partition, which is closed"],
  [/^(Assoc|Association|MaxJobs|MaxSubmit)/, "a limit of the account is reached"],
  [/^QOS/, "a limit of the quality of service is reached"],
  [/^JobHeldUser$/, "held by the user"],
  [/^JobHeldAdmin$/, "held by an administrator"],
  [/^JobHoldMaxRequeue$/, "held after too many starts in vain"],
  [/launch_?.*held/i, "held, as it could not be started"],
  [/held/i, "held when it was queued again"],
  [/^Cleaning$/, "for the last attempt to be gone"],
  [/^JobLaunchFailure$/, "could not be started"],
  [/^(None|InvalidReason|)$/, ""],
];

/**
 * Returns why a job waits, or what became of it, in plain words and Slurm's own; an unknown reason is returned as it
 * is.
 */
export function reasonOf(word: string): string {
  const found = REASONS.find(([pattern]) => pattern.test(word))?.[1];
  if (found === undefined) return word;
  return found === "" ? "" : `${found} (${word})`;
}

/** Returns the command that releases jobs which wait for this reason; undefined if nobody holds them. */
export function releaseOf(word: string): string | undefined {
  return /^JobHoldMaxRequeue$|held/i.test(word) ? "scontrol release" : undefined;
}

/**
 * Returns what became of a submission that was not taken. The messages are those of Slurm 22.05 to 24.11; if a limit is
 * reached, its name precedes the message, which is the same for jobs that are too large.
 */
export function troubleOf(said: string): "full" | "refused" | "order" | "silent" {
  if (/(Max|Grp)Submit|temporarily un(able|available)|queue full/i.test(said)) return "full";
  if (/job dependency problem/i.test(said)) return "order";
  const silent =
    /no answer|timed out|unable to contact|connect(ion)? (failure|refused)|not connected|zero bytes|standby mode|receive failure|authentication|munge|unexpected message|configuration source/i;
  return silent.test(said) ? "silent" : "refused";
}

/** Returns the seconds of a time such as `1-02:03:04`; 0 where Slurm knows none. */
export function secondsOf(time: string): number {
  const [seconds = 0, minutes = 0, hours = 0, days = 0] = time.split(/[-:]/).map(Number).reverse();
  return ((days * 24 + hours) * 60 + minutes) * 60 + seconds || 0;
}
