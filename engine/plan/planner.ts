import type { Ingredients, ResultManifest } from "../../schemas/records.ts";
import type { SharedCache } from "../store/cache/shared_cache.ts";
import { type Diagnostic, refuse, type Result, succeed } from "../diagnostic/diagnostic.ts";
import { type DigestedExternals, digestExternals, type Externals } from "../keys/externals.ts";
import { fitsItsKey, identityKeyOf, keysOfStages, resolvedKeyOf, type StageKeys } from "../keys/keys.ts";
import { withPredecessors } from "../pipeline/compose/order.ts";
import { extentParam, outputsOf, predecessorsOf, readsOf, type Stage, wholeOf } from "../keys/stage.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { newestSavedStep, progressFolder } from "../store/progress.ts";
import { filesOf } from "../store/results.ts";
import type { Store } from "../store/store.ts";
import { isForced, type Plan, type PlannedStage, type Reason, WORKING_STATES } from "./plan.ts";
import { explainChange } from "./reasons.ts";
import type { DeviceFinding } from "../../contract/stage.ts";
import { placeProblem } from "../pipeline/load/check_facts.ts";
import { diagnosticAt } from "../diagnostic/document.ts";
import { tryDevice } from "../process/device_trial.ts";

export interface PlanOptions {
  /** Stage ids to reach; all when empty. */
  readonly targets?: readonly string[];
  /** Stage ids to run even if cached. */
  readonly force?: ReadonlySet<string>;
  /** What the stages read from outside, if that was just looked at. */
  readonly externals?: DigestedExternals;
  /** A second store that machines share: asked for what the local one has not, and given what a run makes. */
  readonly cache?: SharedCache | undefined;
  /** Whether the stages run on other machines, so that the devices of this one mean nothing. */
  readonly elsewhere?: boolean;
}

/** What is known now of what a stage's result is made of. */
type Known = Parameters<typeof explainChange>[1];

/**
 * Decides what happens to each stage. The same decision serves `plan`, before anything runs, and `run`, stage by stage
 * as results come in: `settled` tells it of a result, and planning a later stage then takes it into account.
 */
export class Planner {
  readonly #keys: ReadonlyMap<string, StageKeys>;
  /** Results that are there, by stage. Whoever enters one tells the planner of it. */
  readonly settled = new Map<string, ResultManifest>();
  readonly #resolved = new Map<Stage, NonNullable<PlannedStage["keys"]>>();
  readonly #good = new Set<ResultManifest>();
  /** By the stage itself: one that a selection decides on may be several, each with a device of its own. */
  readonly #devices = new Map<Stage, DeviceFinding>();
  /** Results that recipes led to, for stages whose own inputs may not be needed. */
  readonly #shortcuts = new Map<string, ResultManifest>();
  #needed: ReadonlySet<string>;

  private constructor(
    private readonly pipeline: Pipeline,
    private readonly store: Store,
    externals: ReadonlyMap<string, Externals>,
    private readonly options: PlanOptions,
  ) {
    this.#keys = keysOfStages(pipeline.stages.values(), externals);
    this.#needed = this.#findNeeded();
  }

  static make(pipeline: Pipeline, store: Store, options: PlanOptions = {}): Result<Planner> {
    const { externals, problems } = options.externals ?? digestExternals(pipeline, store.digests);
    return problems.length > 0 ? refuse(problems) : succeed(new Planner(pipeline, store, externals, options));
  }

  /** A result turned out to be broken: look at it anew. What reads it may be planned on, as its digest still holds. */
  distrust(manifest: ResultManifest): void {
    this.#good.delete(manifest);
  }

  /**
   * Plan all needed stages in order; cached results settle as it goes. This machine's devices are looked at only if a
   * stage may run that needs one.
   */
  async plan(): Promise<Plan> {
    let stages = this.survey();
    // Results found by recipe settle inputs, and with them keys that could not be asked for before.
    while (await this.askCache(stages.values())) {
      this.#needed = this.#findNeeded();
      stages = this.survey();
    }
    const open = [...stages.values()].filter(({ state }) => state !== "cached" && state !== "restore");
    // Progress belongs to the numerics of a device, so where a stage continues is known only now.
    if (await this.findDevices(open.map(({ stage }) => stage))) stages = this.survey();
    // Stages that differ in extent alone have one line in the file, so one is enough.
    const problems = new Map<string, Diagnostic>();
    for (const { stage, problem } of stages.values()) if (problem !== undefined) problems.set(stage.entry, problem);
    return { pipeline: this.pipeline, stages, problems: [...problems.values()] };
  }

  /**
   * Ask the shared cache about stages that would run. Their inputs may have been settled since the plan.
   * @returns whether anything was found, so that planning again tells more
   */
  async askCache(stages: Iterable<PlannedStage>): Promise<boolean> {
    if (this.options.cache === undefined) return false;
    const open = [...stages].filter((planned) => planned.manifest === undefined && !isForced(planned));
    return await this.options.cache.find(open.map(({ stage, recipeKey, keys }) => ({
      stage: stage.id,
      recipeKey,
      resolvedKey: keys?.resolvedKey,
      // What is made from a record whose digests are not those of its files would have the key of something else.
      judge: (manifest, key) =>
        !fitsItsKey(manifest, key) ? "damaged" : hasPortsOf(stage, manifest) ? undefined : "misfit",
    })));
  }

  /** The plan, if there is nothing to do and so nothing to explain; undefined at the first stage that is not cached. */
  planIfCached(): Plan | undefined {
    const stages = this.survey(({ state }) => state === "cached");
    return stages.size === this.#needed.size ? { pipeline: this.pipeline, stages, problems: [] } : undefined;
  }

  /** The plan as far as it is known without looking at devices and the shared cache, up to a stage of no interest. */
  survey(goesOn: (planned: PlannedStage) => boolean = () => true): ReadonlyMap<string, PlannedStage> {
    const stages = new Map<string, PlannedStage>();
    const working = new Map<string, string>();
    for (const [id, { shard }] of this.pipeline.stages) {
      if (!this.#needed.has(id) && !this.#needed.has(shard?.whole ?? id)) continue;
      const found = this.planStage(id);
      // What a shard is of reads the same, so it is known by now whether it has a result.
      const whole = shard === undefined || this.#needed.has(id) ? undefined : this.planStage(shard.whole);
      if (whole?.manifest !== undefined) continue;
      const planned = whole?.state === "may-run" && WORKING_STATES.has(found.state)
        ? { ...found, state: whole.state, reasons: whole.reasons }
        : found;
      if (!goesOn(planned)) break;
      if (planned.manifest !== undefined) this.settled.set(id, planned.manifest);
      stages.set(id, this.#afterTwin(planned, working));
    }
    return stages;
  }

  /**
   * Of two stages with one key, the first runs and the second then finds its result. The same goes for two that lost the
   * same bytes from the store.
   */
  #afterTwin(planned: PlannedStage, working: Map<string, string>): PlannedStage {
    if (!WORKING_STATES.has(planned.state)) return planned;
    const names = [planned.recipeKey, ...this.#lostObjects(planned)];
    const twin = names.map((name) => working.get(name)).find((id) => id !== undefined);
    for (const name of names) if (!working.has(name)) working.set(name, planned.stage.id);
    if (twin === undefined || isForced(planned)) return planned;
    const { fromStep: _fromStep, ...rest } = planned;
    return { ...rest, state: "may-run", reasons: [...planned.reasons, { code: "upstream", stage: twin }] };
  }

  /** The objects that a result misses in the store, where that is why its stage runs. */
  #lostObjects({ keys, manifest }: PlannedStage): string[] {
    const found = keys && manifest === undefined ? this.store.results.byResolved(keys.resolvedKey) : undefined;
    const lost = (found ? filesOf(found) : []).filter((file) => !this.store.objects.has(file));
    return lost.map(({ sha256 }) => sha256);
  }

  /** Decide about one stage from what is settled so far. Pass `force: false` to look past a force that was served. */
  planStage(id: string, force: boolean = this.#isToBeForced(id)): PlannedStage {
    const stage = this.pipeline.stages.get(id)!;
    const known = this.#keys.get(id)!;
    const { local, localKey, recipeKey } = known;
    const keys = this.#resolve(stage, known);
    const base = { stage, recipeKey, localKey, ...this.#deviceOf(stage), ...keys && { keys } };
    const now = keys?.ingredients ?? local;
    // Where what this stage reads was left out, its recipe already led to a result.
    const found = keys === undefined ? this.#shortcuts.get(id) : this.store.results.byResolved(keys.resolvedKey);
    const manifest = force ? undefined : this.#goodResult(stage, found);
    if (manifest !== undefined) return { ...base, ...this.#served(stage, now, manifest), manifest };
    const elsewhere = keys === undefined ? found : this.options.cache?.known(keys.resolvedKey);
    const shared = force ? undefined : this.#sharedResult(stage, elsewhere, localKey);
    if (shared !== undefined) {
      const reasons: Reason[] = [...this.#changes(stage, now), { code: "shared" }];
      return { ...base, state: "restore", reasons, manifest: shared, shared: true };
    }
    if (keys === undefined) return { ...base, ...this.#pending(stage, known, force) };
    const reasons: Reason[] = force ? [{ code: "forced" }] : this.#changes(stage, keys.ingredients);
    if (reasons.length === 0) {
      reasons.push(found === undefined ? { code: "new" } : { code: "output-missing", files: ["in the store"] });
    }
    return { ...base, reasons, ...this.#start(stage, keys.identityKey, force) };
  }

  /** Who wants the bytes of a stage anew wants those of its shards. */
  #isToBeForced(id: string): boolean {
    const { force = new Set() } = this.options;
    return force.has(id) || force.has(wholeOf(id) ?? id);
  }

  /** The same, with what the shared cache has of the stage. */
  async planShared(id: string, force?: boolean): Promise<PlannedStage> {
    const planned = this.planStage(id, force);
    const found = planned.manifest === undefined && await this.askCache([planned]);
    return found ? this.planStage(id, force) : planned;
  }

  /** What the targets need, without shards that are none of them: nothing before a stage whose recipe already led to a good result. */
  #findNeeded(): ReadonlySet<string> {
    const { targets = [] } = this.options;
    const all = [...this.pipeline.stages].filter(([id, { shard }]) => shard === undefined || targets.includes(id));
    if (targets.length === 0) return new Set(all.map(([id]) => id));
    const edges = new Map<string, string[]>();
    const latest = new Map<string, ResultManifest>();
    // Stages whose own result may not be what they would come to now; no result that was made of theirs is a shortcut.
    const stale = new Set<string>();
    for (const [, stage] of all) {
      const { recipeKey, localKey } = this.#keys.get(stage.id)!;
      const byRecipe = this.store.results.byRecipe(recipeKey);
      // No record of another stage is served, whatever recipe it says that it has.
      const local = byRecipe?.localKey === localKey ? byRecipe : undefined;
      const found = this.#goodResult(stage, local) ??
        this.#sharedResult(stage, this.options.cache?.knownByRecipe(recipeKey), localKey) ??
        local;
      if (found !== undefined) latest.set(stage.id, found);
      const moved = this.options.force?.has(stage.id) === true || readsOf(stage).some((id) => stale.has(id)) ||
        (found !== undefined && !readsLatest(stage, found, latest));
      if (moved) stale.add(stage.id);
      const served = moved ? undefined : found;
      const manifest = this.#goodResult(stage, served) ?? this.#sharedResult(stage, served, localKey);
      const { inputs, needs } = stage;
      const before = predecessorsOf({ inputs, needs });
      if (manifest !== undefined) this.#shortcuts.set(stage.id, manifest);
      edges.set(stage.id, manifest === undefined ? before : []);
    }
    return withPredecessors(edges, targets);
  }

  /** Digests of what a stage reads, by port, of the ports of which all is there. */
  #inputsOf(stage: Stage): Ingredients["inputs"] {
    const known: Record<string, string[]> = {};
    for (const [port, bindings] of Object.entries(stage.inputs)) {
      const digests = bindings.map((one) => this.settled.get(one.stage)?.outputs[one.port]?.digest);
      if (digests.every((digest) => digest !== undefined)) known[port] = digests;
    }
    return known;
  }

  #resolve(stage: Stage, { local, localKey }: StageKeys): PlannedStage["keys"] {
    const inputs = this.#inputsOf(stage);
    if (Object.keys(inputs).length < Object.keys(stage.inputs).length) return undefined;
    // A run looks at a stage several times, and hashing its inputs is most of a look.
    const before = this.#resolved.get(stage);
    if (before !== undefined && JSON.stringify(before.ingredients.inputs) === JSON.stringify(inputs)) return before;
    const ingredients = { ...local, inputs };
    const identityKey = identityKeyOf(ingredients, extentParam(stage.kind));
    const keys = { ingredients, resolvedKey: resolvedKeyOf(localKey, inputs), identityKey };
    this.#resolved.set(stage, keys);
    return keys;
  }

  /** A result counts only if all its objects are there. Their content is checked when it is read. */
  #goodResult(stage: Stage, manifest: ResultManifest | undefined): ResultManifest | undefined {
    if (manifest === undefined || !hasPortsOf(stage, manifest)) return undefined;
    // What is missing may be made again at any time.
    if (!this.#good.has(manifest) && !filesOf(manifest).every((file) => this.store.objects.has(file))) return undefined;
    this.#good.add(manifest);
    return manifest;
  }

  /** A result counts as shared while the cache stands by it, and never if it lies under another's name. */
  #sharedResult(stage: Stage, manifest: ResultManifest | undefined, localKey: string): ResultManifest | undefined {
    if (manifest === undefined || manifest.localKey !== localKey) return undefined;
    const known = this.options.cache?.known(manifest.resolvedKey);
    return known !== undefined && hasPortsOf(stage, known) ? known : undefined;
  }

  #changes(stage: Stage, now: Known): Reason[] {
    return explainChange(stage, now, this.store.lastShown(this.pipeline.name, stage.id), this.pipeline.origins);
  }

  #served(stage: Stage, now: Known, manifest: ResultManifest): Pick<PlannedStage, "state" | "reasons"> {
    // Nobody looks at a part.
    if (stage.shard !== undefined) return { state: "cached", reasons: [] };
    const view = this.store.viewsOf(this.pipeline.name).check(stage.id, manifest.resolvedKey);
    if (view.state === "good") return { state: "cached", reasons: [] };
    if (view.state === "other") return { state: "restore", reasons: this.#changes(stage, now) };
    const files = view.state === "absent" ? ["all"] : view.files;
    const code = view.state === "modified" ? "output-modified" : "output-missing";
    return { state: "restore", reasons: [{ code, files }] };
  }

  #pending(stage: Stage, { local, localKey }: StageKeys, force: boolean): Pick<PlannedStage, "state" | "reasons"> {
    const waiting = new Set(Object.values(stage.inputs).flat().map((one) => one.stage));
    const reasons: Reason[] = force
      ? [{ code: "forced" }]
      : this.#changes(stage, { ...local, inputs: this.#inputsOf(stage) });
    if (reasons[0]?.code !== "new") {
      for (const id of waiting) if (!this.settled.has(id)) reasons.push({ code: "upstream", stage: id });
    }
    // No result shares this stage's own ingredients, so no bytes from upstream can make it cached.
    const certain = force || !(this.store.results.hasLocal(localKey) || this.options.cache?.mayServe);
    return { state: certain ? "run" : "may-run", reasons };
  }

  #start(stage: Stage, identityKey: string, force: boolean): Pick<PlannedStage, "state" | "fromStep"> {
    const limit = stage.extent ?? Number.MAX_SAFE_INTEGER;
    const folder = progressFolder(this.store.paths.progress, identityKey, this.#deviceOf(stage).device?.numerics);
    const step = force ? undefined : newestSavedStep(folder, limit);
    if (step === undefined || step === 0) return { state: "run" };
    const finished = this.store.results.byIdentity(identityKey).some((one) => one.extent === step);
    return { state: finished ? "extend" : "resume", fromStep: step };
  }

  /**
   * Find what stages compute on, each once, so that planning them tells. Also for those that run although that was not
   * planned.
   * @returns whether something was learnt: false where all was known or no stage has a device
   */
  async findDevices(stages: Iterable<Stage>): Promise<boolean> {
    if (this.options.elsewhere === true) return false;
    // What only joins parts computes nothing.
    const unknown = [...stages].filter((stage) =>
      stage.kind.device !== undefined && stage.parts === undefined && !this.#devices.has(stage)
    );
    await Promise.all(unknown.map(async (stage) => {
      this.#devices.set(stage, await stage.kind.device!(stage.params, tryDevice));
    }));
    return unknown.length > 0;
  }

  /** What was found for a stage; nothing for kinds without a device and for stages that were not asked. */
  #deviceOf(stage: Stage): Pick<PlannedStage, "device" | "problem"> {
    const { origins } = this.pipeline;
    const found = this.#devices.get(stage);
    if (found === undefined) return {};
    if ("problem" in found) return { problem: { ...placeProblem(stage, found.problem, origins), code: "device" } };
    const { device } = found;
    if (device.card || stage.resources.gpu !== "required") return { device };
    const message = `stage "${stage.id}" requires a GPU, and none is available`;
    const how = device.warning?.fix ?? "set up the GPU (deno task doctor says how)";
    const details = { code: "device", got: `device ${device.name}: ${device.reason}` } as const;
    const fix = `${how}, or write gpu: 1 to compute without one`;
    return { problem: diagnosticAt(origins, ["stages", stage.entry, "resources", "gpu"], message, fix, details) };
  }
}

/** Whether a result was made from what the stages before it would give now, as far as that is known. */
function readsLatest(
  stage: Stage,
  manifest: ResultManifest,
  latest: ReadonlyMap<string, ResultManifest>,
): boolean {
  return Object.entries(stage.inputs).every(([port, bindings]) =>
    bindings.every((binding, index) => {
      const artifact = latest.get(binding.stage)?.outputs[binding.port];
      return artifact === undefined || artifact.digest === manifest.ingredients.inputs[port]?.[index];
    })
  );
}

/** Whether a record has the outputs of a stage. One that has others was not made by it, whatever its key says. */
export function hasPortsOf(stage: Stage, { outputs }: ResultManifest): boolean {
  const own = outputsOf(stage);
  return Object.keys({ ...own, ...outputs }).every((port) =>
    own[port] !== undefined && own[port].type === outputs[port]?.type
  );
}
