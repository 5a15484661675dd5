/**
 * The engine's interface to a cluster's queue. To support a queue other than Slurm, write a class with these methods.
 * Nothing here throws for anything that a cluster may do: each call is bounded in time and ends with a value.
 */
import type { JobNeeds } from "../../schemas/cluster_records.ts";
import type { Spread } from "../process/start_program.ts";
import { type Diagnostic, errorOf } from "../diagnostic/diagnostic.ts";

export type { JobNeeds };

/** Jobs that must have ended before a job starts, by id; `8_3` is one child of an array. */
export interface JobOrder {
  /** Starts once all of these have succeeded. If one of them fails, the job is cancelled. */
  readonly afterOk?: readonly string[];
  /** Arrays: child i of this array waits only for child i of each of them. */
  readonly afterChild?: readonly string[];
  /** Starts once all of these have ended, in whatever way. */
  readonly afterAny?: readonly string[];
  /** Starts as soon as one of these has failed. If all of them succeed, the job is cancelled. */
  readonly afterFailureOfAny?: readonly string[];
  /** True to start only once no earlier job of this user with the same name is left. */
  readonly singleton?: boolean;
}

export interface JobRequest {
  /** The name that `singleton` compares. */
  readonly name: string;
  /** Unique to this request: by it, a job whose submission got no answer is found again. */
  readonly comment: string;
  readonly script: string;
  readonly needs: JobNeeds;
  readonly order: JobOrder;
  /** For an array: the numbers of its children, and how many of them may run at a time. */
  readonly array?: { readonly children: readonly number[]; readonly atOnce?: number | undefined };
  /**
   * The path of the script's output, taken literally; the output of an array's child goes to a file of its own, with
   * `.<number>` after that path. Without it the output is dropped: a job whose output has no place is never started.
   */
  readonly log?: string;
  readonly folder: string;
  /** How long before the time limit the script is told of it (SIGUSR2). */
  readonly warnSeconds?: number;
  /** The least number of seconds until the job starts. */
  readonly delaySeconds?: number | undefined;
}

export type Submitted =
  | { readonly id: string }
  | {
    /**
     * - `full`: the queue takes no more jobs for now, of this user or at all;
     * - `refused`: the queue will never take this job: wrong partition, account, more than any node has;
     * - `order`: a job to wait for is no longer known to the queue;
     * - `silent`: no answer. The job may be queued all the same: look for its comment before trying again.
     */
    readonly trouble: "full" | "refused" | "order" | "silent";
    readonly message: string;
  };

/** The state of a job. Jobs that have ended are listed for a while only. */
export type JobState = LiveState | "done" | "failed" | "cancelled" | "preempted" | "timeout";
type LiveState = "waiting" | "running" | "suspended" | "ending";

/** A job of this user, or one child of an array. */
export interface QueuedJob {
  /** `8`, or `8_3` for a child. */
  readonly id: string;
  readonly name: string;
  readonly comment: string;
  readonly state: JobState;
  /**
   * The queue's own word for the state; and the reason why a waiting job waits, in plain words, or empty if there is
   * nothing to say.
   */
  readonly word: string;
  readonly reason: string;
  /** For a job that waits until somebody releases it: the command to release it, without the job id that follows. */
  readonly release?: string;
  /** The node that the job runs on. */
  readonly node: string;
  /** How long the job has run. */
  readonly seconds: number;
}

/** Returns true if a job waits, runs, or has not quite ended. */
export function isLive({ state }: Pick<QueuedJob, "state">): boolean {
  return /^(waiting|running|suspended|ending)$/.test(state);
}

/** The queue's jobs. `silent`: the queue did not answer, so what was known before still counts. */
export type QueueView = { readonly jobs: readonly QueuedJob[] } | { readonly silent: string };

/** The beginning of a message about a missing command: asking again would not help. */
export const NO_COMMAND = "there is no ";

/** Returns the error about a queue that does not answer. */
export function silenceOf(silent: string, fix: string = "try again later"): Diagnostic {
  const isMissing = silent.startsWith(NO_COMMAND);
  const advice = isMissing ? "run it on a machine that has Slurm's commands" : fix;
  return errorOf(isMissing ? "check" : "machine", `the queue does not answer: ${silent}`, advice);
}

/** Facts about the cluster that decide how a graph is submitted. */
export interface QueueFacts {
  readonly version: string;
  /** The largest number of a child, plus one. */
  readonly maxArray: number;
  /** The number of jobs that may still be queued, all limits considered. */
  readonly room: number;
  /** Partitions whose preempted jobs are cancelled and not queued again. */
  readonly cancelsPreempted: ReadonlySet<string>;
  readonly defaultPartition: string | undefined;
  /** Lines for people: partitions with their nodes, processors, GPUs, memory and time limits. */
  readonly partitions: readonly string[];
}

/** The job that this process runs in. */
export interface OwnJob {
  /** `8`, or `8_3` for a child of an array. */
  readonly id: string;
  /** The number of requeues: 0 for the first start. */
  readonly attempt: number;
}

export interface Queue {
  /**
   * Tests whether the queue would ever take such a job, without queueing it.
   * @returns `refused`: why the queue would not take it
   */
  test(request: JobRequest): Promise<{ readonly refused?: string } | { readonly silent: string }>;
  submit(request: JobRequest): Promise<Submitted>;
  /** Lists all jobs of this user whose names begin with noiseline's prefix, in one question. */
  poll(): Promise<QueueView>;
  cancel(ids: readonly string[]): Promise<string | undefined>;
  /**
   * Describes the cluster.
   * @param as the account and quality of service that ask: the limits of one user differ by these
   */
  describe(as?: Pick<JobNeeds, "account" | "qos">): Promise<QueueFacts | { readonly silent: string }>;
  /** Returns the job that this process runs in; undefined outside of a job. */
  own(): OwnJob | undefined;
  /** Returns how a command is started on each node of the job that this process runs in. */
  spread(nodes: number, command: readonly string[]): Spread;
  /** Queues this job again from within, as the last thing that the job does. @returns why that failed, or undefined */
  requeueOwn(): Promise<string | undefined>;
}

/** The beginning of the names of all jobs. */
export const JOB_PREFIX = "noiseline-";
