import { attemptsOf, listSubmissions, lookAt, type SubmittedStage } from "./submission_state.ts";
import type { QueuedJob } from "./queue.ts";
import type { OpenSubmission } from "./submission.ts";
import type { RunState } from "../store/run_ids.ts";
import { type LiveStage, RunReader, type StageNow, type StagePlace } from "../live/run_reader.ts";

/** The most submissions that are read: older ones say nothing about what is running now. */
const MAX_SUBMISSIONS = 100;

/**
 * States of a submission: it has that of the first of these stage states that one of its stages is in; else it is done.
 */
const STATES = { waiting: "running", running: "running", failed: "failed", run: "killed" } as const;

const JOB_STATES: Readonly<Record<QueuedJob["state"], string>> = {
  ...{ waiting: "waiting", preempted: "waiting", running: "running", ending: "running", done: "ran" },
  ...{ suspended: "waiting", failed: "failed", cancelled: "failed", timeout: "failed" },
};

/**
 * Returns the progress of a running stage. A process that was killed on another host leaves no record of that, so the
 * queue must say that the stage runs.
 */
export function liveOf(stage: SubmittedStage): LiveStage | undefined {
  const { name } = stage.submission.head.pipeline;
  const reader = new RunReader({ runs: attemptsOf(stage) });
  return stage.job?.state === "running" ? reader.find(name).stages.get(stage.id) : undefined;
}

/** Reads the state of the submissions in the shared cache of a cluster, as runs: each stage by its newest attempt. */
export class SubmissionReader {
  readonly #attempts = new Map<string, RunReader>();
  readonly #planned = new Map<string, ReturnType<typeof planOf>>();
  readonly #known = new Map<string, OpenSubmission>();

  /** @param cluster the name of the cluster @param cache its shared cache */
  constructor(private readonly cluster: string, private readonly cache: string) {}

  /** Returns submissions, newest first. @param jobs the queue's jobs; undefined if the queue does not answer */
  readSubmissions(jobs?: readonly QueuedJob[]) {
    return listSubmissions(this.cache).take(MAX_SUBMISSIONS).map((submission) => {
      const { id: runId, pipeline: { name: pipeline, file, overrides, profiles }, host, at } = submission.head;
      this.#known.set(runId, submission);
      const looked = new Map(lookAt(submission, jobs ?? []).map((one) => [one.line, one]));
      const stages = submission.head.stages.map((_, line) => this.#describe(submission, line, looked.get(line)));
      const found = new Set(stages.map(({ state }) => state));
      const first = Object.entries(STATES).find(([one]) => found.has(one))?.[1] ?? "done";
      const state: RunState = first === "killed" && jobs === undefined ? "running" : first;
      const ends = [...looked.values()].map(({ end }) => Date.parse(end?.endedAt ?? at));
      return {
        ...{ runId, pipeline, file, host, state, stages, tags: [], cluster: this.cluster },
        overrides: [...profiles.map((name) => `--profile ${name}`), ...overrides],
        startedMs: Date.parse(at),
        endedMs: state === "running" ? undefined : Math.max(Date.parse(at), ...ends),
      };
    }).toArray();
  }

  /** Returns where the files of a stage lie: in its newest attempt. */
  placeOf(id: string, stage: string): StagePlace | undefined {
    const submission = this.#known.get(id);
    const line = submission?.head.stages.findIndex((one) => one.id === stage) ?? -1;
    const attempt = line < 0 ? undefined : attemptsOf({ submission: submission!, line }).ids()[0];
    return attempt === undefined ? undefined : this.#readerOf(submission!, line).placeOf(attempt, stage);
  }

  #readerOf(submission: OpenSubmission, line: number): RunReader {
    const make = () => new RunReader({ runs: attemptsOf({ submission, line }) });
    return this.#attempts.getOrInsertComputed(submission.runsOf(line), make);
  }

  /** Describes a stage. @param own undefined for a stage that is only read: its result was there */
  #describe(submission: OpenSubmission, line: number, own: SubmittedStage | undefined) {
    const planned = this.#planned.getOrInsertComputed(submission.runsOf(line), () => planOf(submission, line));
    if (own === undefined) return { ...planned, state: "cached" };
    const { end, job } = own;
    const now = this.#readerOf(submission, line).readRuns()[0]?.stages.find(({ id }) => id === planned.id);
    // A stage that was saved and queued again has not ended, and if the queue is silent, only the stage's files tell
    // its state.
    const ended = end?.state === "again" ? undefined : end?.state.replace("hit", "cached");
    const state = ended ?? (job && JOB_STATES[job.state]) ?? now?.state ?? planned.state;
    const said = { message: end?.message || job?.reason || now?.message, result: end?.resolvedKey ?? now?.result };
    return { ...planned, ...now, ...said, reads: planned.reads, state };
  }
}

function planOf(submission: OpenSubmission, line: number) {
  const { stages, kinds } = submission.head;
  const { stage, reads = [] } = submission.readStage(line) ?? {};
  const given: Partial<StageNow> = {};
  return {
    ...given,
    id: stages[line]!.id,
    kind: stage === undefined ? "" : kinds[stage.kind]!.kind.name,
    reads: reads.map((one) => stages[one]!.id),
    params: Object.entries(stage?.params ?? {}).map(([name, value]) => ({ path: `with.${name}`, value, origin: [] })),
    ...{ state: "run", figures: {}, previews: [] },
  };
}
