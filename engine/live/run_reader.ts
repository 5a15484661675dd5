import { hostname } from "node:os";
import { join } from "node:path";
import { type PlanRecord, type RunNote, runNoteSchema, type RunRecord, type TagRecord } from "../../schemas/records.ts";
import { wholeOf } from "../keys/stage.ts";
import { mayWork, type PlannedState } from "../plan/plan.ts";
import { etaLeft } from "../store/live_runs.ts";
import type { RunState } from "../store/processes.ts";
import { factsAt, type FileFacts, sameFacts } from "../store/reading.ts";
import type { Store } from "../store/store.ts";
import { readFrom, type StagePlace } from "./tails.ts";

type PlannedLine = PlanRecord["stages"][number];

/** What is known of a run. */
interface Known {
  readonly facts: FileFacts;
  readonly record: RunRecord;
  readonly state: RunState;
  readonly plan: readonly PlannedLine[];
  /** Stages at work, with when that began, and those that ended. */
  readonly since: Map<string, number>;
  readonly ends: Map<string, NonNullable<RunNote["record"]>>;
  /** How much of its notes has been read. */
  readonly noted: number;
}

/** A stage of a run, as it is now. */
export type StageNow = RunNow["stages"][number];

/** A run, as it is now. What texts hold is of unknown origin. */
export type RunNow = ReturnType<RunReader["readRuns"]>[number];

/** Of a run of noiseline 0.2 or before only what ran is known. */
function planOf({ stages }: RunRecord): PlannedLine[] {
  return Object.keys(stages).map((id) => ({ id, kind: "", reads: [], state: "run", result: null, params: [] }));
}

/**
 * Reads how runs stand, again and again. Takes no lock and writes nothing; what cannot be read is left out. A run that is
 * over is read once, and kept.
 */
export class RunReader {
  readonly #known = new Map<string, Known>();
  readonly #over = new Map<string, ReturnType<RunReader["describe"]>>();
  /** Which run computed a result, by its resolved key: the first. */
  readonly #computed = new Map<string, { readonly runId: string; readonly stage: string }>();

  constructor(private readonly store: Pick<Store, "runs"> & Partial<Pick<Store, "tags">>) {}

  /** All runs, newest first. */
  readRuns() {
    const named = this.#readTags();
    const ended = new Set<string>();
    return this.store.runs.ids().flatMap((id) => this.#look(id) ?? []).map((known) => {
      const { pipeline, status, host } = known.record;
      if (status !== "running") ended.add(pipeline);
      // Of another host's run nothing can be known, so it is on until a later one has ended.
      const isLost = status === "running" && host !== hostname() && ended.has(pipeline);
      return this.#tell(isLost ? { ...known, state: "killed" } : known, named);
    });
  }

  /** One run, which costs little where it has been read before; undefined where there is none that can be read. */
  readRun(id: string): RunNow | undefined {
    const isAlone = this.#known.get(id)?.record.host === hostname();
    const known = isAlone ? this.#look(id) : undefined;
    if (isAlone) return known && this.#tell(known, this.#readTags());
    return this.readRuns().find(({ runId }) => runId === id);
  }

  #readTags() {
    const { tags } = this.store;
    return tags?.names().map((name) => ({ name, tag: tags.read(name) })) ?? [];
  }

  #tell(known: Known, named: readonly { readonly name: string; readonly tag: TagRecord | undefined }[]) {
    const { record: { runId, pipeline }, plan, ends } = known;
    const run = this.#over.get(runId) ?? this.describe(known);
    if (run.state !== "running") this.#over.set(runId, run);
    const resultOf = (id: string) => ends.get(id)?.resolvedKey ?? plan.find((one) => one.id === id)?.result;
    const own = named.filter(({ tag }) =>
      tag?.pipeline === pipeline && Object.entries(tag.results).every(([id, key]) => resultOf(id) === key)
    );
    return { ...run, tags: own.map(({ name }) => name) };
  }

  /** Where the files of a stage lie: in the run that computed its result. Undefined where no run has such a stage. */
  placeOf(id: string, stage: string): StagePlace | undefined {
    const known = this.#known.get(id) ?? this.#look(id);
    const line = known?.plan.find((one) => one.id === stage);
    return line && this.#placeOf(known!, line);
  }

  /** Read what is new of a run. */
  #look(id: string): Known | undefined {
    const { runs } = this.store;
    const facts = factsAt(join(runs.folderOf(id), "run.json"));
    const before = this.#known.get(id);
    const isSame = facts !== undefined && before !== undefined && sameFacts(facts, before.facts);
    if (isSame && this.#over.has(id)) return before;
    const record = isSame ? before.record : runs.read(id);
    if (facts === undefined || record?.runId !== id) return undefined;
    this.#over.delete(id);
    const { since = new Map(), ends = new Map() }: Partial<Known> = before ?? {};
    const notes = record.status !== "running"
      ? undefined
      : readFrom(join(runs.folderOf(id), "stages.jsonl"), runNoteSchema, before?.noted);
    for (const { stage, event, at, record } of notes?.rows ?? []) {
      since.delete(stage);
      if (event === "started") since.set(stage, Date.parse(at));
      else if (record !== undefined) ends.set(stage, record);
    }
    if (notes === undefined) { for (const [stage, end] of Object.entries(record.stages)) ends.set(stage, end); }
    for (const [stage, { state, resolvedKey }] of ends) {
      const first = this.#computed.get(resolvedKey ?? "")?.runId ?? id;
      if (state === "ran" && first >= id) this.#computed.set(resolvedKey!, { runId: id, stage });
    }
    const plan = before?.plan.length ? before.plan : runs.plan(id)?.stages ?? planOf(record);
    const known = { facts, record, state: runs.stateOf(record), plan, since, ends, noted: notes?.next ?? 0 };
    this.#known.set(id, known);
    return known;
  }

  private describe(known: Known) {
    const { record: { runId, pipeline, file, host, overrides, startedAt, endedAt }, state, plan } = known;
    const parts = Map.groupBy(plan, ({ id }) => wholeOf(id));
    return {
      ...{ runId, pipeline, file, host, overrides, state },
      startedMs: Date.parse(startedAt),
      /** Undefined also of one that was killed: nobody knows when. */
      endedMs: endedAt === null ? undefined : Date.parse(endedAt),
      /** In the order in which they depend on one another. */
      stages: (parts.get(undefined) ?? []).map((line) => this.#describeStage(known, line, parts.get(line.id))),
    };
  }

  /** @param parts its shards, whose work is its own */
  #describeStage(known: Known, line: PlannedLine, parts: readonly PlannedLine[] = []) {
    const { record: { runId }, since, ends, state } = known;
    const { id, kind, params } = line;
    const end = ends.get(id);
    const place = this.#placeOf(known, line);
    const source = this.#known.get(place.runId)?.ends.get(place.stage);
    const work = end === undefined ? [line, ...parts].filter((one) => since.has(one.id)) : [];
    const told = work.flatMap((one) => this.store.runs.told(runId, one.id) ?? [])[0];
    const startedMs = work.length === 0 ? undefined : Math.min(...work.map((one) => since.get(one.id)!));
    const isOn = state === "running";
    const nowMs = isOn ? Date.now() : Date.parse(told?.at ?? "") || startedMs;
    const waits = isOn || !mayWork({ state: line.state as PlannedState });
    return {
      ...{ id, kind, params },
      reads: [...new Set(line.reads.map((one) => wholeOf(one) ?? one))].filter((one) => one !== id),
      /** As planned, `running`, or how it ended; `killed` where it was at work in a run that was. */
      state: end?.state ?? (startedMs === undefined ? waits ? line.state : "blocked" : isOn ? "running" : "killed"),
      startedMs: end?.startedAt ? Date.parse(end.startedAt) : startedMs,
      durationMs: end?.durationMs ?? (startedMs && nowMs! - startedMs),
      progress: told,
      etaMs: isOn ? etaLeft(told, nowMs!) : undefined,
      message: end?.message ?? undefined,
      numerics: (end ?? source)?.numerics ?? undefined,
      /** Resolved key of its result. */
      result: (end === undefined ? line.result : end.resolvedKey) ?? undefined,
      figures: told?.figures ?? source?.figures ?? {},
      previews: this.store.runs.previews(place.runId, place.stage),
    };
  }

  #placeOf({ record: { runId }, ends, since }: Known, { id, result }: PlannedLine): StagePlace {
    const end = ends.get(id);
    const isOwn = end === undefined ? since.has(id) : ["ran", "failed", "interrupted"].includes(end.state);
    const source = isOwn ? undefined : this.#computed.get(end?.resolvedKey ?? result ?? "");
    return { runs: this.store.runs, runId, stage: id, ...source };
  }
}
