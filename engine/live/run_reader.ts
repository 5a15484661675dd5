import { hostname } from "node:os";
import { join } from "node:path";
import {
  figureRowSchema,
  type LiveProgress,
  MAX_PLANNED,
  type PlanRecord,
  type RunNote,
  runNoteSchema,
  type RunRecord,
  type TagRecord,
} from "../../schemas/records.ts";
import { mayRun, type Plan, type PlannedState } from "../plan/plan.ts";
import { recordedIds } from "../plan/plan_record.ts";
import { recordedActions } from "../run/run_recorder.ts";
import { isAbandoned, type RunState } from "../store/run_ids.ts";
import { factsAt, type FileFacts, sameFacts, statIfThere } from "../store/reading.ts";
import type { Store } from "../store/store.ts";
import { readRecordsFrom } from "../store/records.ts";
import type { RunStore } from "../store/runs.ts";

type PlannedLine = PlanRecord["stages"][number];

/** A run, as far as it has been read. */
export interface KnownRun {
  readonly facts: FileFacts;
  readonly record: RunRecord;
  readonly state: RunState;
  /** Stages at work, or at work when the run was killed, with the time at which each began; and stages that ended. */
  readonly since: Map<string, string>;
  readonly ends: Map<string, NonNullable<RunNote["record"]>>;
  /** The ids among these that name parts of stages. */
  readonly parts: Set<string>;
  /** How much of the run's notes has been read. */
  readonly noted: number;
}

/** A stage that is running now. */
export type LiveStage = ReturnType<RunReader["find"]>["stages"] extends Map<string, infer Stage> ? Stage : never;

/** A stage of a run, as it is now. */
export type StageNow = RunNow["stages"][number];

/** A run, as it is now. Its texts are of unknown origin. */
type RunNow = ReturnType<RunReader["readRuns"]>[number];

/** Makes a plan of what ran: nothing more is known of a run of noiseline 0.2 or before. */
function planOf({ stages }: RunRecord): PlannedLine[] {
  const said = { kind: "", reads: [], state: "run", result: null, params: [] };
  return Object.keys(stages).slice(0, MAX_PLANNED).map((id) => ({ id, ...said }));
}

/**
 * Reads the state of runs, again and again. Takes no lock and writes nothing; unreadable records are left out. A run
 * that is over is read once, and remembered.
 */
export class RunReader {
  readonly #known = new Map<string, KnownRun>();
  readonly #plans = new Map<string, readonly PlannedLine[]>();
  readonly #over = new Map<string, ReturnType<RunReader["describe"]>>();
  /** The run that computed a result first, by the result's resolved key. */
  readonly #computed = new Map<string, { readonly runId: string; readonly stage: string }>();

  constructor(private readonly store: Pick<Store, "runs"> & Partial<Pick<Store, "tags">>) {}

  /** Returns all runs, newest first. */
  readRuns() {
    const named = this.#readTags();
    return [...this.look()].map((known) => this.#tell(known, named));
  }

  /**
   * Yields runs, newest first. The state of another host's run cannot be known: such a run counts as running until a
   * later one has ended, or a killed run would be running for ever.
   * @param pipeline the pipeline whose runs are wanted
   * @param skips returns true for ids of runs to pass over
   */
  *look(pipeline?: string, skips: (id: string) => boolean = () => false): Generator<KnownRun, undefined> {
    const ended = new Set<string>();
    for (const id of this.store.runs.ids()) {
      const known = skips(id) ? undefined : this.lookAt(id);
      if (known === undefined || known.record.pipeline !== (pipeline ?? known.record.pipeline)) continue;
      const { pipeline: name, status, host } = known.record;
      if (status !== "running") ended.add(name);
      const isLost = status === "running" && host !== hostname() && ended.has(name);
      yield isLost ? { ...known, state: "killed" } : known;
    }
  }

  /**
   * Finds the running runs of a pipeline, including a long run that began before the last one that ended.
   * @returns running runs, newest first; stages at work in them, by id; the newest run that ended; and the newest that
   * was killed, if none has ended since
   */
  find(pipeline: string) {
    let last: RunRecord | undefined;
    let killed: RunRecord | undefined;
    const running: KnownRun[] = [];
    // Checking for a process is far cheaper than reading a record, and there may be thousands of records.
    for (const known of this.look(pipeline, (id) => last !== undefined && isAbandoned("run", id))) {
      if (known.state === "running") running.push(known);
      else if (known.state !== "killed") last ??= known.record;
      else if (last === undefined) killed ??= known.record;
    }
    const stages = running.toReversed().flatMap(({ record: run, since: atWork }) =>
      [...atWork].map(([id, since]) => {
        // The progress that the stage reported last.
        const progress = this.store.runs.lastProgress(run.runId, id);
        return [id, { id, run, since, progress, etaMs: etaLeft(progress, Date.now()) }] as const;
      })
    );
    return { running: running.map(({ record }) => record), stages: new Map(stages), last, killed };
  }

  /** Finds the stages of a plan that are at work now, by id. Another run may compute other configurations of them. */
  findPlanned({ pipeline, actions }: Plan) {
    const { stages: live } = this.find(pipeline.name);
    return new Map([...live].filter(([id, { run }]) => {
      const key = this.store.runs.used(run.runId).progress[id];
      return key === undefined || key === actions.get(id)?.keys?.identityKey;
    }));
  }

  /** Returns one run, at little cost if it was read before; undefined if no such run can be read. */
  readRun(id: string): RunNow | undefined {
    const isAlone = this.#known.get(id)?.record.host === hostname();
    const known = isAlone ? this.lookAt(id) : undefined;
    if (isAlone) return known && this.#tell(known, this.#readTags());
    return this.readRuns().find(({ runId }) => runId === id);
  }

  #readTags() {
    const { tags } = this.store;
    return tags?.names().map((name) => ({ name, tag: tags.read(name) })) ?? [];
  }

  #tell(known: KnownRun, named: readonly { readonly name: string; readonly tag: TagRecord | undefined }[]) {
    const { record: { runId, pipeline }, ends } = known;
    const plan = this.#planOf(known);
    const run = this.#over.get(runId) ?? this.describe(known);
    if (run.state !== "running") this.#over.set(runId, run);
    const resultOf = (id: string) => ends.get(id)?.resolvedKey ?? plan.find((one) => one.id === id)?.result;
    const own = named.filter(({ tag }) =>
      tag?.pipeline === pipeline && Object.entries(tag.results).every(([id, key]) => resultOf(id) === key)
    );
    return { ...run, tags: own.map(({ name }) => name) };
  }

  /**
   * Returns where the files of a stage lie: in the run that computed its result. Undefined if no run has such a stage.
   */
  placeOf(id: string, stage: string): StagePlace | undefined {
    const known = this.#known.get(id) ?? this.lookAt(id);
    const line = known && this.#planOf(known).find((one) => one.id === stage);
    return line && this.#placeOf(known!, line);
  }

  /**
   * Returns where the files of a stage lie in the runs that worked on the same result before, newest first: a stage
   * that continues has only its own steps in its run.
   */
  earlierPlacesOf(id: string, stage: string): StagePlace[] {
    const { runs } = this.store;
    const keyIn = (runId: string) => runs.used(runId).progress[stage];
    const [pipeline, key] = [this.lookAt(id)?.record.pipeline, keyIn(id)];
    if (pipeline === undefined || key === undefined) return [];
    const places = this.look(pipeline).map(({ record: { runId } }) => runId)
      .filter((runId) => runId < id && keyIn(runId) === key).map((runId) => ({ runs, runId, stage }));
    return places.take(MOST_CONTINUED).toArray();
  }

  #planOf({ record }: KnownRun): readonly PlannedLine[] {
    const { runId } = record;
    return this.#plans.getOrInsertComputed(runId, () => this.store.runs.plan(runId)?.stages ?? planOf(record));
  }

  /** Reads the new records of a run. */
  lookAt(id: string): KnownRun | undefined {
    const { runs } = this.store;
    const facts = factsAt(join(runs.folderOf(id), "run.json"));
    const before = this.#known.get(id);
    const isSame = facts !== undefined && before !== undefined && sameFacts(facts, before.facts);
    if (isSame && this.#over.has(id)) return before;
    const record = isSame ? before.record : runs.read(id);
    if (facts === undefined || record?.runId !== id) return undefined;
    this.#over.delete(id);
    if (!isSame) this.#plans.delete(id);
    const { since = new Map(), ends = new Map(), parts = new Set() }: Partial<KnownRun> = before ?? {};
    const notes = record.status !== "running"
      ? undefined
      : readRecordsFrom(join(runs.folderOf(id), "stages.jsonl"), runNoteSchema, before?.noted);
    for (const action of recordedActions(record, notes?.rows)) {
      if (action.isPart) parts.add(action.id);
      since.delete(action.id);
      if (action.since !== undefined) since.set(action.id, action.since);
      if (action.end !== undefined) ends.set(action.id, action.end);
    }
    for (const [stage, { state, resolvedKey }] of ends) {
      const first = this.#computed.get(resolvedKey ?? "")?.runId ?? id;
      if (state === "ran" && first >= id) this.#computed.set(resolvedKey!, { runId: id, stage });
    }
    const known = { facts, record, state: runs.stateOf(record), since, ends, parts, noted: notes?.next ?? 0 };
    this.#known.set(id, known);
    return known;
  }

  private describe(known: KnownRun) {
    const { record: { runId, pipeline, file, question, host, overrides, startedAt, endedAt }, state } = known;
    return {
      ...{ runId, pipeline, file, question, host, overrides, state },
      startedMs: Date.parse(startedAt),
      /** Undefined also for a killed run: nobody knows when it ended. */
      endedMs: endedAt === null ? undefined : Date.parse(endedAt),
      /** In dependency order. */
      stages: this.#planOf(known).map((line) => this.#describeStage(known, line)),
    };
  }

  /** Describes a stage of a run. The work of all its actions counts as its own. */
  #describeStage(known: KnownRun, line: PlannedLine) {
    const { record: { runId }, since, ends, state } = known;
    const { id, kind, params } = line;
    const end = ends.get(id);
    const place = this.#placeOf(known, line);
    const source = this.#known.get(place.runId)?.ends.get(place.stage);
    const work = end === undefined ? recordedIds(line).filter((one) => since.has(one)) : [];
    const previews = this.store.runs.previews(place.runId, place.stage);
    const stopped = ["failed", "interrupted"].includes(end?.state ?? "") ? recordedIds(line) : work;
    const progress = stopped.flatMap((one) => this.store.runs.lastProgress(runId, one) ?? [])[0];
    const startedMs = work.length === 0 ? undefined : Math.min(...work.map((one) => Date.parse(since.get(one)!)));
    const isOn = state === "running";
    const nowMs = isOn ? Date.now() : Date.parse(progress?.at ?? "") || startedMs;
    const waits = isOn || !mayRun({ state: line.state as PlannedState });
    return {
      ...{ id, kind, params },
      reads: line.reads,
      /** As planned, `running`, or how it ended; `killed` if it was at work in a run that was killed. */
      state: end?.state ?? (startedMs === undefined ? waits ? line.state : "blocked" : isOn ? "running" : "killed"),
      startedMs: end?.startedAt ? Date.parse(end.startedAt) : startedMs,
      durationMs: end?.durationMs ?? (startedMs && Math.max(0, nowMs! - startedMs)),
      progress,
      etaMs: isOn && end === undefined ? etaLeft(progress, nowMs!) : undefined,
      fromStep: end?.fromStep ?? undefined,
      message: end?.message ?? undefined,
      fix: end?.fix,
      numerics: (end ?? source)?.numerics ?? undefined,
      /** The resolved key of its result. */
      result: (end === undefined ? line.result : end.resolvedKey) ?? undefined,
      figures: progress?.figures ?? source?.figures ?? {},
      previews,
      sampler: previews[0] && this.#planOf(this.#known.get(place.runId)!).find(({ id }) => id === place.stage)?.sampler,
    };
  }

  #placeOf({ record: { runId }, ends, since }: KnownRun, { id, result }: PlannedLine): StagePlace {
    const end = ends.get(id);
    const isOwn = end === undefined ? since.has(id) : ["ran", "failed", "interrupted"].includes(end.state);
    const source = isOwn ? undefined : this.#computed.get(end?.resolvedKey ?? result ?? "");
    return { runs: this.store.runs, runId, stage: id, ...source };
  }
}

/** The runs that one curve may span. */
const MOST_CONTINUED = 50;

/** Returns the milliseconds left now. Work since the stage's last report counts too, since reports may be rare. */
export function etaLeft(progress: LiveProgress | undefined, nowMs: number): number | undefined {
  const left = progress && etaOf(progress);
  return left && Math.max(0, left - Math.max(0, nowMs - Date.parse(progress.at)));
}

/** Returns the milliseconds left by the pace so far; undefined if the pace is not known, and at the end. */
export function etaOf({ done, total, perSecond }: Pick<LiveProgress, "done" | "total" | "perSecond">) {
  return perSecond === null || done >= total ? undefined : (total - done) / perSecond * 1_000;
}

/** The place where the files of a stage lie. */
export interface StagePlace extends Readonly<Record<"runId" | "stage", string>> {
  readonly runs: RunStore;
}

/** The most lines that one reading returns: whoever follows the file reads again. */
const MOST_ROWS = 20_000;

/** The largest file of figures that is read, in bytes. A month of sixteen figures takes half of this. */
const MAX_FIGURES_BYTES = 32 << 20;

/**
 * Reads the figures of a stage, from a byte of their file on. Steps fall where the stage was begun again.
 * @returns the rows, and the byte to continue from
 */
export function readFigures({ runs, runId, stage }: StagePlace, from?: number) {
  const path = runs.figuresPath(runId, stage);
  if ((statIfThere(path)?.size ?? 0) > MAX_FIGURES_BYTES) return { rows: [], next: from ?? 0 };
  return readRecordsFrom(path, figureRowSchema, from, MOST_ROWS);
}
