/**
 * Explains why a stage is planned as it is: value by value, followed upstream to where each change began. Planning
 * itself reports only what is at hand; this module looks further (records of runs, other results), for the few stages
 * that somebody asks about.
 */
import { definedOnly } from "../../std/defined_only.ts";
import type { ResultManifest, Sources } from "../../schemas/records.ts";
import type { DocumentPath } from "../diagnostic/document.ts";
import { externalPaths, externalPlace, sizeOf } from "../keys/externals.ts";
import { builtinVersion, recordedModules } from "../keys/stage.ts";
import { listSaved, progressFolder } from "../store/progress.ts";
import type { Store } from "../store/store.ts";
import type { Plan, PlannedAction, PlannedState, Reason } from "./plan.ts";
import { explainChange } from "./reasons.ts";

type External = Readonly<Sources["externals"][string]>;

/** The known facts of a file or folder from outside. */
export type ExternalFacts = Pick<External, "digest"> & Partial<External>;

/** The differences between two versions of a stage's user code, by the places of its modules. */
export type ModuleChanges = Readonly<Record<"changed" | "added" | "removed", readonly string[]>>;

/** A stage that another one reads, with what changed in it. */
export interface Upstream {
  readonly stage: string;
  readonly state: PlannedState;
  /** Empty if nothing is known of the stage, or if the same explanation has followed it before. */
  readonly causes: readonly Cause[];
  readonly note?: string;
}

/** One reason with everything that is known about it. */
export interface Cause {
  readonly reason: Reason;
  /** The place that makes the stage depend on this, and the whole chain that leads there, nearest first. */
  readonly origin?: readonly string[];
  /** For `external`: the content then and now. */
  readonly before?: ExternalFacts;
  readonly after?: ExternalFacts;
  /** For `code`, if the run that made the last result is on record. */
  readonly modules?: ModuleChanges;
  /** For `input` and `upstream`. */
  readonly upstream?: readonly Upstream[];
}

/** The saved states that `extend` and `resume` continue from. */
export type SavedProgress = NonNullable<Explanation["progress"]>;

export type Explanation = Readonly<ReturnType<Explainer["explain"]>>;

/** Explains stages of a plan that holds all stages of its pipeline. */
export function explainStages(plan: Plan, store: Store, ids: readonly string[]): Explanation[] {
  return ids.map((id) => new Explainer(plan, store).explain(id));
}

class Explainer {
  /** Stages that have been followed: each root cause is reported once. */
  readonly #followed = new Set<string>();

  constructor(private readonly plan: Plan, private readonly store: Store) {}

  explain(id: string) {
    const planned = this.plan.stages.get(id)!;
    this.#followed.add(id);
    const last = this.store.lastShown(this.plan.pipeline.name, id);
    const { manifest } = planned;
    const other = last?.resolvedKey === manifest?.resolvedKey ? undefined : last;
    return definedOnly({
      id,
      planned,
      causes: planned.reasons.map((reason) => this.#causeOf(planned, reason, last)),
      keep: planned.keep,
      /** The result that is served. */
      result: manifest && describeResult(this.store, manifest),
      /** The result that the stage showed last, with which it is compared. */
      last: other && describeResult(this.store, other),
      /** The key of its last result, if that result is no longer in the store. */
      lost: last ? undefined : this.store.viewsOf(this.plan.pipeline.name).shown(id)?.resolvedKey,
      progress: this.#progressOf(planned),
    });
  }

  #progressOf({ stage, keys, fromStep, device }: PlannedAction) {
    if (fromStep === undefined || keys === undefined) return undefined;
    const folder = progressFolder(this.store.paths.progress, keys.identityKey, device?.numerics);
    return { folder, states: listSaved(folder, stage.extent ?? Number.MAX_SAFE_INTEGER) };
  }

  #causeOf(planned: PlannedAction, reason: Reason, last: ResultManifest | undefined): Cause {
    const { stage } = planned;
    const explain = (...path: DocumentPath) => this.plan.pipeline.origins.explain(["stages", stage.entry, ...path]);
    switch (reason.code) {
      case "param":
        return { reason, origin: reason.origin };
      case "external": {
        const place = externalPlace(stage, reason.name);
        const origin = place && explain("with", ...place);
        return definedOnly({ reason, origin, ...this.#externalFacts(planned, reason, last) });
      }
      case "version":
      case "code":
        return definedOnly({
          reason,
          origin: explain(...this.#usesOf(planned, reason.from)),
          modules: this.#moduleChanges(planned, last),
        });
      case "input": {
        const { stage: read, name, from, to } = reason;
        const origin = read === "none" ? undefined : explain("inputs", name);
        const bindings = (stage.inputs[name] ?? []).filter((_, index) => !from.includes(to[index]!));
        const gone = from.filter((digest) => !to.includes(digest));
        return definedOnly({ reason, origin, upstream: bindings.map((one) => this.#inputCause(one.stage, gone)) });
      }
      case "upstream":
        return { reason, upstream: [this.#follow(reason.stage)] };
      default:
        return { reason };
    }
  }

  /** Returns the path at which the stage names the code that changed. */
  #usesOf({ stage: { kind } }: PlannedAction, before: string): string[] {
    const changed = kind.userCode.find(({ param, digest }) => param !== null && !before.includes(`${param}:${digest}`));
    return changed === undefined ? ["uses"] : ["with", ...changed.param === "" ? [] : [changed.param!], "uses"];
  }

  #externalFacts(
    { stage }: PlannedAction,
    { name, from, to }: Extract<Reason, { code: "external" }>,
    last: ResultManifest | undefined,
  ): Pick<Cause, "before" | "after"> {
    const path = externalPaths(stage, this.plan.pipeline.folder)[name];
    const sizeBytes = path === undefined ? undefined : sizeOf(path);
    const old = last && findInRun(this.store, last)?.stage.sources?.externals[name];
    const known = old?.digest === from ? old : undefined;
    return definedOnly({
      before: from === undefined ? undefined : { digest: from, ...known },
      after: to === undefined ? undefined : definedOnly({ digest: to, path, sizeBytes }),
    });
  }

  #moduleChanges({ stage }: PlannedAction, last: ResultManifest | undefined): ModuleChanges | undefined {
    const { version } = last?.ingredients ?? {};
    // A built-in kind without user code has no modules.
    const hadNone = version !== undefined && version === builtinVersion(version) && !version.startsWith("code:");
    const before = hadNone ? {} : last && findInRun(this.store, last)?.stage.sources?.modules;
    const now = recordedModules(stage.kind);
    if (before === undefined || (!hadNone && Object.keys(before).length === 0)) return undefined;
    const both = Object.keys(now).filter((place) => Object.hasOwn(before, place));
    return {
      changed: both.filter((place) => now[place] !== before[place]),
      added: Object.keys(now).filter((place) => !Object.hasOwn(before, place)),
      removed: Object.keys(before).filter((place) => !Object.hasOwn(now, place)),
    };
  }

  /** Explains a stage that another one reads or waits for, once: each root cause is reported once. */
  #once(id: string, explain: (planned: PlannedAction) => readonly Cause[] | string): Upstream {
    const planned = this.plan.stages.get(id)!;
    const isKnown = this.#followed.has(id);
    this.#followed.add(id);
    const said = isKnown ? "as said above" : explain(planned);
    const about = { stage: id, state: planned.state };
    return typeof said === "string" ? { ...about, causes: [], note: said } : { ...about, causes: said };
  }

  #inputCause(id: string, gone: readonly string[]): Upstream {
    const { stages, pipeline: { origins } } = this.plan;
    // The former input may still be there under another stage's name: then the reference has changed.
    const elsewhere = [...stages].find(([other, { manifest }]) =>
      other !== id && Object.values(manifest?.outputs ?? {}).some(({ digest }) => gone.includes(digest))
    );
    const { state } = stages.get(id)!;
    if (elsewhere !== undefined) return { stage: id, state, causes: [], note: `it read ${elsewhere[0]} before` };
    return this.#once(id, (planned) => {
      const { stage, manifest } = planned;
      const before = gone.flatMap((digest) => this.store.results.producing(digest))
        .filter(({ resolvedKey }) => resolvedKey !== manifest?.resolvedKey);
      const old = before.findLast(({ ingredients: { kind } }) => kind === manifest?.ingredients.kind) ?? before.at(-1);
      if (old === undefined || manifest === undefined) return "the result that it read is no longer in the store";
      const reasons = explainChange(stage, manifest.ingredients, old, origins);
      return reasons.length > 0
        ? reasons.map((reason) => this.#causeOf(planned, reason, old))
        : "made again, with different bytes";
    });
  }

  /** Explains why a stage has yet to run. */
  #follow(id: string): Upstream {
    const last = this.store.lastShown(this.plan.pipeline.name, id);
    return this.#once(id, (planned) => planned.reasons.map((reason) => this.#causeOf(planned, reason, last)));
  }
}

/** A result with what the record of its run says; the record may be gone, or on another machine. */
export type ResultFacts = ReturnType<typeof describeResult>;

function describeResult(store: Store, manifest: ResultManifest) {
  const { resolvedKey, numerics, extent, runId } = manifest;
  const { run, id, stage } = findInRun(store, manifest) ?? {};
  const began = stage?.startedAt;
  return definedOnly({
    resolvedKey,
    numerics,
    extent,
    runId,
    /** The time when the result was finished; if only the id of its run is left, the time when that run began. */
    madeAt: began ? new Date(Date.parse(began) + stage!.durationMs).toISOString() : run?.startedAt ?? startOf(runId),
    durationMs: stage?.durationMs,
    host: run?.host,
    pipeline: run?.pipeline,
    stage: id,
    device: stage?.device?.name,
  });
}

/** Finds the run that made a result, and the stage that the result belongs to. */
function findInRun(store: Store, { runId, resolvedKey }: ResultManifest) {
  const run = store.runs.read(runId);
  for (const [id, stage] of Object.entries(run?.stages ?? {})) {
    if (stage.state === "ran" && stage.resolvedKey === resolvedKey) return { run: run!, id, stage };
  }
  return undefined;
}

/** Returns the start of a run, with which its id begins. */
function startOf(runId: string): string | undefined {
  const begin = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})-.*$/s;
  return begin.test(runId) ? runId.replace(begin, "$1-$2-$3T$4:$5:$6.$7Z") : undefined;
}
