import { join } from "node:path";
import type { ViewRecord } from "../../schemas/records.ts";
import { NO_ENDS, type RunFinished } from "./events.ts";
import { compareCodeUnits, encode } from "../keys/encode.ts";
import { type DigestedExternals, digestExternals, type Externals } from "../keys/externals.ts";
import { type Pipeline, selectStages } from "../pipeline/pipeline.ts";
import type { PipelineLoader } from "../pipeline/load/pipeline_loader.ts";
import type { Plan } from "../plan/plan.ts";
import { Planner } from "../plan/planner.ts";
import { factsAt, isThere, sha256Of } from "../store/reading.ts";
import { readChecked, writeChecked } from "../store/records.ts";
import { filesOf } from "../store/results.ts";
import type { Store } from "../store/store.ts";
import { ignoreIoErrors } from "../store/io_errors.ts";
import type { ViewStore } from "../store/views.ts";
import { findStaleOutputs, planWithoutDevices } from "./stale_outputs.ts";
import type { RunSummary } from "./run_pipeline.ts";

/** Raised when the meaning of the record changes. */
const FORMAT = 1;

/** The answer about a pipeline that is up to date. */
type UpToDate = NonNullable<Awaited<ReturnType<typeof checkUpToDate>>>;

/**
 * Returns the plan of an up-to-date pipeline that is known without loading it; undefined in every other case, and the
 * caller then loads the file. Neither the kinds nor the code that runs them is loaded for this.
 */
export async function planUpToDate(loader: PipelineLoader, store: Store, targets: readonly string[] = []) {
  const pipeline = await loader.read();
  return pipeline && planIfCached(pipeline, store, targets);
}

/**
 * Counts the stages of an up-to-date pipeline. The last such run may have left the number behind.
 * @returns the number of stages that are asked for, all of them cached, and the earlier outputs, as a run reports them
 */
export async function checkUpToDate(loader: PipelineLoader, store: Store, targets: readonly string[] = []) {
  const pipeline = await loader.read();
  if (pipeline === undefined) return undefined;
  const outside = digestExternals(pipeline, store.digests);
  const record = targets.length === 0 ? new UpToDateRecord(store, pipeline, loader.kept!) : undefined;
  const known = record?.count(outside.externals);
  // While the record holds, all stages of the pipeline show what they should.
  const views = store.viewsOf(pipeline.name);
  if (known !== undefined) return { pipeline, stages: known, earlier: views.staleViews(pipeline.stages) };
  const plan = planIfCached(pipeline, store, targets, outside);
  if (plan === undefined) return undefined;
  record?.keep(plan.stages);
  const now = planWithoutDevices(pipeline, store);
  const earlier = now.ok ? findStaleOutputs({ pipeline, stages: now.value }, store) : [];
  return { pipeline, stages: plan.stages.size, earlier };
}

/** Lets the next run know that the pipeline is up to date, if all stages are cached at the end of this run. */
export function recordUpToDate(loader: PipelineLoader, store: Store, { plan: { pipeline }, now }: RunSummary): void {
  if (loader.kept === undefined || !now.ok || now.value.values().some(({ state }) => state !== "cached")) return;
  new UpToDateRecord(store, pipeline, loader.kept).keep(now.value);
}

function planIfCached(
  pipeline: Pipeline,
  store: Store,
  targets: readonly string[],
  digested: DigestedExternals = digestExternals(pipeline, store.digests),
): Plan | undefined {
  const { stages, problems } = selectStages(pipeline, targets);
  if (problems.length > 0) return undefined;
  const planner = Planner.make(pipeline, store, { targets: stages, externals: digested });
  return planner.ok ? planner.value.planIfCached() : undefined;
}

/** Returns the last event of a run that has nothing to do. */
export function finishUpToDate({ pipeline: { name }, stages, earlier }: UpToDate, durationMs: number): RunFinished {
  const counts = { ...NO_ENDS, cached: stages };
  return { type: "run-finished", pipeline: name, status: "done", counts, durationMs, runId: undefined, earlier };
}

/** Everything that must still be there for a stage to be cached. */
interface UpToDateStage {
  readonly id: string;
  readonly resolvedKey: string;
  /** The digest and the size, in bytes, of each object. */
  readonly objects: readonly (readonly [string, number])[];
  readonly shown: ViewRecord["files"];
}

/**
 * The results of all stages of a pipeline, recorded by the last run that reached all of them. While neither the
 * pipeline, nor what it reads from outside, nor the lists of results and views have changed, planning would find these
 * results again, so that only their files are left to check. Losing the record costs a plan.
 *
 * The gain: a run with nothing to do takes 0.18 s of processor time for 1,000 stages; without the record, when each
 * stage is planned, 0.33 s (100 stages: 0.15 and 0.17 s; best of 7 on two cores). For 10,000 stages it saves about 1 s.
 */
class UpToDateRecord {
  readonly #path: string;

  /** @param kept the name under which the resolved pipeline is kept */
  constructor(private readonly store: Store, private readonly pipeline: Pipeline, private readonly kept: string) {
    this.#path = join(store.paths.kept, `done-${pipeline.name}.json`);
  }

  /** Returns the number of stages if all are certainly cached; undefined if only a plan can tell. */
  count(externals: ReadonlyMap<string, Externals>): number | undefined {
    const done = readChecked(this.#path)?.value as { ground: string; stages: UpToDateStage[] } | undefined;
    if (done === undefined || done.ground !== this.#ground(externals)) return undefined;
    const { results, objects } = this.store;
    const views = this.#views;
    const isDone = done.stages.every(({ id, resolvedKey, objects: files, shown }) =>
      results.isPublished(resolvedKey) && files.every(([sha256, size]) => objects.has({ sha256, size })) &&
      views.isIntact(id, shown)
    );
    return isDone ? done.stages.length : undefined;
  }

  /** Records the results of all stages. @param planned all stages of the pipeline, cached, as a plan finds them now */
  keep(planned: Plan["stages"]): void {
    if (!isThere(this.store.paths.kept)) return;
    const found = Array.from(planned, ([id, { manifest }]) => [id, manifest!] as const);
    // The manifest of an unlisted result may be torn later without a change of the list.
    if (!found.every(([, manifest]) => this.store.results.isListed(manifest))) return;
    const stages = found.map(([id, manifest]): UpToDateStage => {
      const files = new Map(filesOf(manifest).map(({ sha256, size }) => [sha256, size]));
      return { id, resolvedKey: manifest.resolvedKey, objects: [...files], shown: this.#views.shown(id)!.files };
    });
    const externals = found.map(([id, { ingredients }]) => [id, ingredients.externals] as const);
    if (this.store.results.state === undefined || this.#views.state === undefined) return;
    ignoreIoErrors(() => void writeChecked(this.#path, { ground: this.#ground(externals), stages }));
  }

  get #views(): ViewStore {
    return this.store.viewsOf(this.pipeline.name);
  }

  /**
   * Returns a text that stays the same while planning would find the same results and views.
   * @param externals what stages read from outside
   */
  #ground(externals: Iterable<readonly [string, Externals]>): string {
    const read = [...externals].filter(([, one]) => Object.keys(one).length > 0);
    read.sort(([a], [b]) => compareCodeUnits(a, b));
    const lists = [this.store.results.state, this.#views.state, factsAt(this.store.paths.keeps) ?? null];
    return JSON.stringify([FORMAT, this.kept, sha256Of(encode(read)), ...lists]);
  }
}
