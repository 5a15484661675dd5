/**
 * What the engine asks of a cluster's queue. Whoever has another cluster than Slurm writes a class with these methods.
 * Nothing here throws for what a cluster may do: each call is bounded in time and ends with a value.
 */
import type { JobNeeds } from "../../schemas/cluster_records.ts";

export type { JobNeeds };

/** Jobs that must have ended before a job starts, by id; `8_3` is one child of an array. */
export interface JobOrder {
  /** All of them well. Where one fails, the job is cancelled. */
  readonly afterOk?: readonly string[];
  /** Arrays: child i of this one waits for child i of those alone. */
  readonly afterChild?: readonly string[];
  /** However they end. */
  readonly afterAny?: readonly string[];
  /** As soon as one of them has failed. Where all end well, the job is cancelled. */
  readonly afterFailureOfAny?: readonly string[];
  /** Until no job of this user with its name is left before it. */
  readonly singleton?: boolean;
}

export interface JobRequest {
  /** What `singleton` goes by. */
  readonly name: string;
  /** Unique to this request: how a job is found again whose submission got no answer. */
  readonly comment: string;
  readonly script: string;
  readonly needs: JobNeeds;
  readonly order: JobOrder;
  /** For an array: its children's numbers, and how many may run at a time. */
  readonly array?: { readonly children: readonly number[]; readonly atOnce?: number | undefined };
  /** Where the script's output goes, as it is; that of an array's child to a file of its own with `.<number>` after it. */
  readonly log: string;
  readonly folder: string;
  /** How long before the time limit the script is told of it (SIGUSR2). */
  readonly warnSeconds?: number;
  /** Start no sooner than in so many seconds. */
  readonly delaySeconds?: number | undefined;
}

export type Submitted =
  | { readonly id: string }
  | {
    /**
     * - `full`: the queue takes no more jobs, of this user or at all, for now;
     * - `refused`: it will never take this one: wrong partition, account, more than any node has;
     * - `order`: a job to wait for is no longer known to the queue;
     * - `silent`: no answer. The job may be queued all the same: look for its comment before trying again.
     */
    readonly trouble: "full" | "refused" | "order" | "silent";
    readonly message: string;
  };

/** `ended` jobs are listed for a while only. */
export type JobState = "waiting" | "running" | "ending" | "done" | "failed" | "cancelled" | "preempted" | "timeout";

/** A job of this user, or one child of an array. */
export interface QueuedJob {
  /** `8`, or `8_3` for a child. */
  readonly id: string;
  readonly name: string;
  readonly comment: string;
  readonly state: JobState;
  /** The queue's own word for it, and in plain words why a waiting job waits; empty where there is nothing to say. */
  readonly word: string;
  readonly reason: string;
  /** For a job that waits until somebody releases it: the command to release it, without the job id that follows. */
  readonly release?: string;
  /** Where it runs. */
  readonly node: string;
  /** How long it has run. */
  readonly seconds: number;
}

/** Whether a job waits, runs, or has not quite ended. */
export function isLive({ state }: Pick<QueuedJob, "state">): boolean {
  return state === "waiting" || state === "running" || state === "ending";
}

/** Undefined jobs: the queue did not answer, so what was known before still counts. */
export type QueueView = { readonly jobs: readonly QueuedJob[] } | { readonly silent: string };

/** What is said of a command that is not there begins with it: asking again would not help. */
export const NO_COMMAND = "there is no ";

/** What to do about a queue that does not answer. */
export function fixForSilence(silent: string, otherwise: string = "try again later"): string {
  return silent.startsWith(NO_COMMAND) ? "run it on a machine that has Slurm's commands" : otherwise;
}

/** Figures of the cluster that decide how a graph is submitted. */
export interface QueueFacts {
  readonly version: string;
  /** The largest number of a child, plus one. */
  readonly maxArray: number;
  /** Jobs that may still be queued, all limits considered. */
  readonly room: number;
  /** Partitions whose preempted jobs are cancelled and not queued again. */
  readonly cancelsPreempted: ReadonlySet<string>;
  readonly defaultPartition: string | undefined;
  /** Lines for people: partitions with their nodes, processors, GPUs, memory and time limits. */
  readonly partitions: readonly string[];
}

/** The job that this process is. */
export interface OwnJob {
  /** `8`, or `8_3` for a child of an array. */
  readonly id: string;
  /** 0 for the first start; counts requeues. */
  readonly attempt: number;
}

export interface Queue {
  /** Whether the queue would ever take such a job; what it says otherwise. Queues nothing. */
  test(request: JobRequest): Promise<{ readonly refused?: string } | { readonly silent: string }>;
  submit(request: JobRequest): Promise<Submitted>;
  /** All jobs of this user whose names begin with noiseline's prefix, in one question. */
  poll(): Promise<QueueView>;
  /** Whether a job of whatever name is still in the queue, waiting or running; undefined where nobody answers. */
  isQueued(id: string): Promise<boolean | undefined>;
  cancel(ids: readonly string[]): Promise<string | undefined>;
  /** @param as who asks: by account and quality of service the limits of one user differ */
  describe(as?: Pick<JobNeeds, "account" | "qos">): Promise<QueueFacts | { readonly silent: string }>;
  /** Undefined outside of a job. */
  own(): OwnJob | undefined;
  /** Queue this job again from within, as the last thing that it does. */
  requeueOwn(): Promise<string | undefined>;
}

/** Names of all jobs begin with it. */
export const JOB_PREFIX = "noiseline-";
