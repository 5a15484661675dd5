import { hostname } from "node:os";
import { join } from "node:path";
import type { PlanRecord, RunNote, RunRecord, TagRecord } from "../../schemas/records.ts";
import { runNoteSchema } from "../../schemas/records.ts";
import { wholeOf } from "../keys/stage.ts";
import { mayWork } from "../plan/plan.ts";
import { etaLeft } from "../store/live_runs.ts";
import type { RunState } from "../store/processes.ts";
import { factsAt, type FileFacts, isThere, sameFacts } from "../store/reading.ts";
import type { Store } from "../store/store.ts";
import type { RunNow, StageNow, StagePlace } from "./model.ts";
import { readFrom } from "./tails.ts";

type PlannedLine = PlanRecord["stages"][number];
type StageEnd = NonNullable<RunNote["record"]>;

/** What is known of a run. */
interface Known {
  readonly facts: FileFacts;
  readonly record: RunRecord;
  readonly plan: readonly PlannedLine[];
  readonly state: RunState;
  /** Stages at work, with when that began, and those that ended. */
  readonly since: Map<string, number>;
  readonly ends: Map<string, StageEnd>;
  /** How much of its notes has been read. */
  readonly noted: number;
  /** What there is to say of one that is over, but for its tags. */
  run?: RunNow;
}

/** Of a run of noiseline 0.2 or before. */
function planOf({ stages }: RunRecord): PlannedLine[] {
  return Object.keys(stages).map((id) => ({ id, kind: "", reads: [], state: "run", result: null, params: [] }));
}

/**
 * Reads how runs stand, again and again. Takes no lock and writes nothing; what cannot be read is left out. A run that is
 * over is read once, and kept.
 */
export class RunReader {
  readonly #known = new Map<string, Known>();
  /** Which run computed a result, by its resolved key: the first. */
  readonly #computed = new Map<string, { readonly runId: string; readonly stage: string }>();
  #hasAll = false;

  constructor(
    private readonly store: Pick<Store, "runs" | "tags">,
    private readonly now: () => number = () => Date.now(),
  ) {}

  /** All runs, newest first. */
  readRuns(): RunNow[] {
    const ids = this.store.runs.ids();
    const there = new Set(ids);
    for (const id of this.#known.keys()) if (!there.has(id)) this.#known.delete(id);
    const found = ids.map((id) => this.#look(id)).filter((known) => known !== undefined);
    this.#hasAll = true;
    const tags = this.#readTags();
    // Of another host's run nothing can be known, so it is on until a later one has ended.
    const ended = new Set<string>();
    return found.map((known) => {
      const { pipeline, status, host } = known.record;
      if (status !== "running") ended.add(pipeline);
      const isLost = status === "running" && host !== hostname() && ended.has(pipeline);
      return this.#tell(isLost ? { ...known, state: "killed" } : known, tags);
    });
  }

  /** One run; undefined where there is none, or none that can be read. */
  readRun(id: string): RunNow | undefined {
    const before = this.#known.get(id);
    if (!this.#hasAll || before === undefined || before.record.host !== hostname()) {
      return this.readRuns().find(({ runId }) => runId === id);
    }
    const known = this.#look(id);
    return known && this.#tell(known, this.#readTags());
  }

  #readTags() {
    const { tags } = this.store;
    return tags.names().map((name) => ({ name, tag: tags.read(name) }));
  }

  /** Where the files of a stage lie: of one that was not computed in this run, in the run that did. */
  placeOf(id: string, stage: string): StagePlace | undefined {
    if (this.readRun(id) === undefined) return undefined;
    const known = this.#known.get(id)!;
    const line = known.plan.find((one) => one.id === stage);
    return line && this.#placeOf(known, line);
  }

  /** Read what is new of a run. */
  #look(id: string): Known | undefined {
    const { runs } = this.store;
    const facts = factsAt(join(runs.folderOf(id), "run.json"));
    const before = this.#known.get(id);
    const isSame = facts !== undefined && before !== undefined && sameFacts(facts, before.facts);
    if (isSame && before.run !== undefined) return before;
    const record = isSame ? before.record : runs.read(id);
    if (facts === undefined || record === undefined || record.runId !== id) {
      this.#known.delete(id);
      return undefined;
    }
    const state = runs.stateOf(record);
    const since = before?.since ?? new Map<string, number>();
    const ends = before?.ends ?? new Map<string, StageEnd>();
    let noted = before?.noted ?? 0;
    if (record.status === "running") {
      const { rows, next } = readFrom(join(runs.folderOf(id), "stages.jsonl"), runNoteSchema, noted);
      noted = next;
      for (const note of rows) apply(note, since, ends);
    } else for (const [stage, end] of Object.entries(record.stages)) ends.set(stage, end);
    for (const [stage, { state, resolvedKey }] of ends) {
      const first = this.#computed.get(resolvedKey ?? "");
      if (state === "ran" && resolvedKey !== null && (first === undefined || first.runId > id)) {
        this.#computed.set(resolvedKey, { runId: id, stage });
      }
    }
    const plan = before !== undefined && before.plan.length > 0 ? before.plan : runs.plan(id)?.stages ?? planOf(record);
    const known: Known = { facts, record, plan, state, since, ends, noted };
    this.#known.set(id, known);
    return known;
  }

  #tell(known: Known, tags: readonly { readonly name: string; readonly tag: TagRecord | undefined }[]): RunNow {
    const { record, state, plan, ends } = known;
    const run = known.run ?? this.#describe(known);
    // Kept once it is certain that nothing more comes.
    if (state !== "running") known.run ??= run;
    const results = new Map(plan.map(({ id, result }) => [id, ends.get(id)?.resolvedKey ?? result]));
    const own = tags.filter(({ tag }) =>
      tag?.pipeline === record.pipeline &&
      Object.entries(tag.results).every(([stage, key]) => results.get(stage) === key)
    );
    return { ...run, tags: own.map(({ name }) => name) };
  }

  #describe(known: Known): RunNow {
    const { record: { runId, pipeline, file, host, overrides, startedAt, endedAt }, state, plan } = known;
    const parts = Map.groupBy(plan, ({ id }) => wholeOf(id));
    const hasPreviews = isThere(join(this.store.runs.folderOf(runId), "previews"));
    return {
      ...{ runId, pipeline, file, host, overrides, state, tags: [] },
      startedMs: Date.parse(startedAt),
      endedMs: endedAt === null ? undefined : Date.parse(endedAt),
      stages: (parts.get(undefined) ?? []).map((line) => {
        return this.#stageOf(known, line, parts.get(line.id) ?? [], hasPreviews);
      }),
    };
  }

  #stageOf(known: Known, line: PlannedLine, parts: readonly PlannedLine[], hasPreviews: boolean): StageNow {
    const { record: { runId }, since, ends, state } = known;
    const { id, kind, reads, params, result } = line;
    const end = ends.get(id);
    const place = this.#placeOf(known, line);
    const isOwn = place.runId === runId;
    const previews = !isOwn || hasPreviews ? place.runs.previews(place.runId, place.stage) : [];
    const told = { id, kind, reads: reads.map((one) => wholeOf(one) ?? one), params, previews };
    const whole = { ...told, reads: [...new Set(told.reads)].filter((one) => one !== id) };
    const source = isOwn ? end : this.#known.get(place.runId)?.ends.get(place.stage);
    if (end !== undefined) {
      return {
        ...whole,
        state: end.state,
        startedMs: end.startedAt === null ? undefined : Date.parse(end.startedAt),
        durationMs: end.durationMs,
        perSecond: Object.values(end.perSecond)[0],
        message: end.message ?? undefined,
        numerics: end.numerics ?? undefined,
        result: end.resolvedKey ?? undefined,
        figures: source?.figures ?? {},
      };
    }
    const work = [line, ...parts].filter((one) => since.has(one.id));
    if (work.length === 0) {
      const waits = state === "running" || !mayWork(line as Parameters<typeof mayWork>[0]);
      return {
        ...whole,
        state: waits ? line.state : "blocked",
        result: result ?? undefined,
        numerics: source?.numerics ?? undefined,
        figures: source?.figures ?? {},
      };
    }
    const [nowMs, startedMs] = [this.now(), Math.min(...work.map((one) => since.get(one.id)!))];
    const all = work.flatMap((one) => this.store.runs.told(runId, one.id) ?? []);
    const first = all[0];
    const alike = all.filter(({ unit }) => unit === first?.unit);
    const sum = (of: (one: typeof alike[number]) => number) => alike.reduce((total, one) => total + of(one), 0);
    const lastMs = state === "running" ? nowMs : Math.max(startedMs, ...all.map(({ at }) => Date.parse(at)));
    return {
      ...whole,
      state: state === "running" ? "running" : "killed",
      startedMs,
      durationMs: lastMs - startedMs,
      progress: first && { done: sum((one) => one.done), total: sum((one) => one.total), unit: first.unit },
      perSecond: first && sum(({ perSecond }) => perSecond ?? 0) || undefined,
      etaMs: state === "running" ? alike.map((one) => etaLeft(one, nowMs)).reduce(longer, undefined) : undefined,
      figures: first?.figures ?? {},
    };
  }

  #placeOf({ record: { runId }, ends, since }: Known, { id, result }: PlannedLine): StagePlace {
    const { runs } = this.store;
    const own = { runs, runId, stage: id };
    const end = ends.get(id);
    const key = end === undefined ? since.has(id) ? null : result : end.state === "ran" ? null : end.resolvedKey;
    const source = key === null ? undefined : this.#computed.get(key);
    return source === undefined ? own : { runs, ...source };
  }
}

function longer(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.max(a, b);
}

function apply({ stage, event, at, record }: RunNote, since: Known["since"], ends: Known["ends"]): void {
  if (event === "started") {
    since.set(stage, Date.parse(at));
    ends.delete(stage);
  } else {
    since.delete(stage);
    if (record !== undefined) ends.set(stage, record);
  }
}
