import type { Ingredients, ResultManifest } from "../../schemas/records.ts";
import type { SharedCache } from "../store/cache/shared_cache.ts";
import { type Diagnostic, refuse, type Result, succeed } from "../diagnostic/diagnostic.ts";
import { type DigestedExternals, digestExternals } from "../keys/externals.ts";
import { type Action, actionsOf, inputsOf } from "../keys/action.ts";
import { type ActionKeys, identityKeyOf, keysOfActions, matchesKey, recipeKeyOf, resolvedKeyOf } from "../keys/keys.ts";
import { withPredecessors } from "../pipeline/compose/order.ts";
import { extentParam, predecessorsOf, readsOf, type Stage } from "../keys/stage.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { newestSavedStep, progressFolder } from "../store/progress.ts";
import { filesOf } from "../store/results.ts";
import type { Store } from "../store/store.ts";
import { isForced, type Plan, type PlannedAction, type Reason, resultActions, RUNNING_STATES } from "./plan.ts";
import { Devices } from "./devices.ts";
import { explainChange } from "./reasons.ts";
import { hasPortsOf, readsLatest } from "./serving.ts";
import { fillSlot, isOpen, isOpenSlot, learnRankings, trialIn } from "./slots.ts";

/** A result that actions here read but none of them makes. `manifest` is undefined until the result is available. */
export interface GivenResult {
  readonly recipeKey: string;
  readonly manifest: ResultManifest | undefined;
}

export interface PlanOptions {
  /** Ids of the stages or actions to reach; all stages when empty. */
  readonly targets?: readonly string[];
  /** Stage ids to run even if cached. */
  readonly force?: ReadonlySet<string>;
  /** Digests of what the stages read from outside, if these were just taken. */
  readonly externals?: DigestedExternals;
  /**
   * Results that actions read and that nothing here can make, with what is known of each: a job of a cluster computes
   * one action alone.
   */
  readonly given?: ReadonlyMap<string, GivenResult>;
  /** A second store that machines share: asked for results that the local one lacks, and given those of a run. */
  readonly cache?: SharedCache | undefined;
  /** True if the stages run on other machines, so that the devices of this one mean nothing. */
  readonly remote?: boolean;
}

/** The ingredients of a stage's result that are known now. */
type Known = Parameters<typeof explainChange>[1];

/**
 * Decides what happens to each stage. The same code decides for `plan`, before anything runs, and for `run`, stage by
 * stage as results come in: a result is entered in `settled`, and planning a later stage then takes it into account.
 */
export class Planner {
  /** The results that actions read and that nothing here can make. */
  readonly given: NonNullable<PlanOptions["given"]>;
  readonly #actions: ReadonlyMap<string, Action>;
  /** Actions of slots whose trials are known. */
  readonly #filled = new Map<string, { readonly action: Action; readonly known: ActionKeys }>();
  readonly #keys: ReadonlyMap<string, ActionKeys>;
  /** Results that exist, by action. Whoever enters one here tells the planner of it. */
  readonly settled = new Map<string, ResultManifest>();
  readonly #resolved = new Map<Action, NonNullable<PlannedAction["keys"]>>();
  readonly #intact = new Set<ResultManifest>();
  /** The devices of stages that may run; asked too for actions that run although that was not planned. */
  readonly devices: Devices;
  /** Results that were found by recipe, for stages whose own inputs may then not be needed. */
  readonly #shortcuts = new Map<string, ResultManifest>();
  #needed: ReadonlySet<string>;

  private constructor(
    private readonly pipeline: Pipeline,
    private readonly store: Store,
    private readonly digested: Omit<DigestedExternals, "problems">,
    private readonly options: PlanOptions,
  ) {
    const given = this.given = options.given ?? new Map();
    this.devices = new Devices(pipeline, store, options.remote === true);
    const actions = actionsOf(pipeline.stages.values()).filter(({ id }) => !given.has(id));
    this.#actions = new Map(actions.map((action) => [action.id, action]));
    this.#keys = keysOfActions(actions, digested.externals, given, store.keeps());
    for (const [id, { manifest }] of given) if (manifest !== undefined) this.settled.set(id, manifest);
    this.#needed = this.#findNeeded();
  }

  static make(pipeline: Pipeline, store: Store, options: PlanOptions = {}): Result<Planner> {
    const { problems, ...digested } = options.externals ?? digestExternals(pipeline, store.digests);
    return problems.length > 0 ? refuse(problems) : succeed(new Planner(pipeline, store, digested, options));
  }

  /** Returns an action of the pipeline, also one that the targets do not need. */
  actionOf(id: string): Action {
    return this.#find(id).action;
  }

  /** Returns an action with its keys: of a slot, those of its trial as soon as that is known. */
  #find(id: string): { readonly action: Action; readonly known: ActionKeys } {
    const [action, known] = [this.#actions.get(id)!, this.#keys.get(id)!];
    const { slot } = action.stage;
    const trial = slot && (slot.trial ?? this.pipeline.stages.get(trialIn(slot, this.settled, this.store)?.id ?? ""));
    if (slot === undefined || trial === undefined) return { action, known };
    const before = this.#filled.get(id);
    if (before?.action.stage.slot?.trial?.id === trial.id) return before;
    const filled = fillSlot(action, slot, trial);
    const { externals } = this.digested;
    const own = externals.get(trial.id) ?? externals.get(action.stage.id) ?? {};
    const upstream = new Map(inputsOf(filled).map((one) => [one, this.#keys.get(one) ?? this.given.get(one)!]));
    const keys = keysOfActions([filled], new Map([[action.stage.id, own]]), upstream).get(id)!;
    // The recipe stays: jobs and other machines know the slot by it.
    this.#filled.set(id, { action: filled, known: { ...keys, recipeKey: known.recipeKey } });
    return this.#filled.get(id)!;
  }

  /** Forgets that a result's objects were intact. Stages that read the result can still be planned, by its digests. */
  distrust(manifest: ResultManifest): void {
    this.#intact.delete(manifest);
  }

  /**
   * Plans all needed stages in order; cached results are settled on the way. This machine's devices are examined only
   * if a stage that needs one may run.
   */
  async plan(): Promise<Plan> {
    let actions = this.planOffline();
    // Results found by recipe settle inputs, and so give keys that could not be asked for before.
    while (await this.askCache(actions.values())) {
      this.#needed = this.#findNeeded();
      actions = this.planOffline();
    }
    const open = [...actions.values()].filter(({ state }) => state !== "cached" && state !== "restore");
    // Progress belongs to the numerics of a device, so it is known only now where a stage continues.
    if (await this.devices.find(open)) actions = this.planOffline();
    // Stages that differ in extent alone have one entry in the file, so one problem is enough.
    const problems = new Map<string, Diagnostic>();
    for (const { stage, problem } of actions.values()) if (problem !== undefined) problems.set(stage.entry, problem);
    return this.#planOf(actions, [...problems.values()]);
  }

  #planOf(actions: Plan["actions"], problems: Plan["problems"]): Plan {
    return { pipeline: this.pipeline, actions, stages: resultActions(actions), problems };
  }

  /**
   * Asks the shared cache about actions that would run. Their inputs may have been settled since the plan.
   * @returns true if anything was found, so that planning again tells more
   */
  async askCache(actions: Iterable<PlannedAction>): Promise<boolean> {
    if (this.options.cache === undefined) return false;
    const open = [...actions].filter((planned) => planned.manifest === undefined && !isForced(planned));
    const found = await this.options.cache.find(open.flatMap((action) => {
      const keys = [action.keys?.resolvedKey, ...action.keys?.formerKey === undefined ? [] : [action.keys.formerKey]];
      return keys.map((resolvedKey) => ({
        ...{ stage: action.id, recipeKey: action.recipeKey, resolvedKey },
        // If the digests of a record are not those of its files, whatever is made from them would get the key of
        // something else.
        judge: (manifest: ResultManifest, key: string) =>
          !matchesKey(manifest, key) ? "damaged" : hasPortsOf(action, manifest) ? undefined : "misfit",
      }));
    }));
    return await learnRankings(open.map(({ stage }) => stage.slot), this.settled, this.options.cache) || found;
  }

  /** Returns the plan if every stage is cached and so needs no explanation; undefined at the first that is not. */
  planIfCached(): Plan | undefined {
    const actions = this.planOffline(({ state }) => state === "cached");
    return actions.size === this.#needed.size ? this.#planOf(actions, []) : undefined;
  }

  /** Plans as far as possible without devices and the shared cache, until `goesOn` returns false for an action. */
  planOffline(goesOn: (planned: PlannedAction) => boolean = () => true): Plan["actions"] {
    const actions = new Map<string, PlannedAction>();
    const working = new Map<string, string>();
    for (const [id, { stage }] of this.#actions) {
      if (!this.#needed.has(id) && !this.#needed.has(stage.id)) continue;
      const found = this.planAction(id);
      // A part reads what its stage reads, so it is known by now whether the stage has a result.
      const whole = this.#needed.has(id) ? undefined : this.planAction(stage.id);
      if (whole?.manifest !== undefined) continue;
      const planned = whole?.state === "may-run" && RUNNING_STATES.has(found.state)
        ? { ...found, state: whole.state, reasons: whole.reasons }
        : found;
      if (!goesOn(planned)) break;
      if (planned.manifest !== undefined) this.settled.set(id, planned.manifest);
      actions.set(id, this.#deferToTwin(planned, working));
    }
    return actions;
  }

  /**
   * Returns an action as `may-run` if an earlier one will make the same result, which it then finds, or the same bytes
   * that the store has lost. Otherwise returns it as it is.
   */
  #deferToTwin(planned: PlannedAction, working: Map<string, string>): PlannedAction {
    if (!RUNNING_STATES.has(planned.state)) return planned;
    const names = [planned.recipeKey, planned.keys?.resolvedKey ?? "", ...this.#lostObjects(planned)].filter(Boolean);
    const twin = names.map((name) => working.get(name)).find((id) => id !== undefined);
    for (const name of names) if (!working.has(name)) working.set(name, planned.id);
    if (twin === undefined || isForced(planned)) return planned;
    const { fromStep: _fromStep, ...rest } = planned;
    return { ...rest, state: "may-run", reasons: [...planned.reasons, { code: "upstream", stage: twin }] };
  }

  /** Returns the objects of a stage's result that the store lacks, if that is why the stage runs. */
  #lostObjects({ keys, manifest }: PlannedAction): string[] {
    const found = keys && manifest === undefined ? this.store.results.byResolved(keys.resolvedKey) : undefined;
    const lost = (found ? filesOf(found) : []).filter((file) => !this.store.objects.has(file));
    return lost.map(({ sha256 }) => sha256);
  }

  /**
   * Decides about an action from what is settled so far.
   * @param isAsked false to ignore a force that has been served; by default as asked, for all actions of a stage
   */
  planAction(id: string, isAsked?: boolean): PlannedAction {
    const { action, known } = this.#find(id);
    const force = isAsked ?? this.options.force?.has(action.stage.id) === true;
    const { local, localKey, recipeKey } = known;
    const { results } = this.store;
    const keys = isOpen(action) ? undefined : this.#resolve(action, known);
    const base = { ...action, recipeKey, localKey, ...this.devices.of(action), ...keys && { keys } };
    const now = keys?.ingredients ?? local;
    // If the inputs of this stage were left out, its recipe has already led to a result.
    const keep = keys === undefined || known.keep?.resolvedKey === keys.resolvedKey ? known.keep : undefined;
    const found = keys === undefined
      ? this.#shortcuts.get(id)
      : results.byResolved(keys.resolvedKey) ?? results.byResolved(keys.formerKey ?? "") ??
        results.byResolved(keep?.result ?? "");
    const manifest = force ? undefined : this.#goodResult(action, found);
    if (manifest !== undefined) {
      const isKept = keep !== undefined && manifest.resolvedKey === keep.result;
      return { ...base, ...this.#served(action, now, manifest), manifest, ...isKept && { keep } };
    }
    const { cache } = this.options;
    const elsewhere = keys === undefined ? found : cache?.known(keys.resolvedKey) ?? cache?.known(keys.formerKey ?? "");
    const shared = force ? undefined : this.#sharedResult(action, elsewhere, known);
    if (shared !== undefined) {
      const reasons: Reason[] = [...this.#changes(action, now), { code: "shared" }];
      return { ...base, state: "restore", reasons, manifest: shared, shared: true };
    }
    if (keys === undefined) return { ...base, ...this.#pending(action, known, force) };
    const reasons: Reason[] = force ? [{ code: "forced" }] : this.#changes(action, keys.ingredients);
    if (reasons.length === 0) {
      reasons.push(found === undefined ? { code: "new" } : { code: "output-missing", files: ["in the store"] });
    }
    return { ...base, reasons, ...this.#start(action, keys.identityKey, force) };
  }

  /** Returns false for a part of a result that another machine has made since the plan. */
  async isStillNeeded(id: string, { stages }: Plan): Promise<boolean> {
    const { view, stage } = this.#actions.get(id)!;
    const isPart = view === undefined && stages.has(stage.id);
    return !isPart || (await this.planShared(stage.id)).manifest === undefined;
  }

  /** As `planAction`, with what the shared cache has of the stage. */
  async planShared(id: string, force?: boolean): Promise<PlannedAction> {
    const planned = this.planAction(id, force);
    const found = planned.manifest === undefined && await this.askCache([planned]);
    return found ? this.planAction(id, force) : planned;
  }

  /**
   * Returns the actions that the targets need, and nothing before an action whose recipe has already led to a good
   * result, which is entered in `#shortcuts`. Without targets: every action that makes the result of a stage.
   */
  #findNeeded(): ReadonlySet<string> {
    const { targets = [] } = this.options;
    const all = [...this.#actions.values()].filter(({ id, view }) => view !== undefined || targets.includes(id));
    if (targets.length === 0) return new Set(all.map(({ id }) => id));
    const edges = new Map<string, string[]>();
    const latest = new Map<string, ResultManifest>();
    // Actions whose result may be out of date: forced, made from other inputs than the newest, or reading such an
    // action. Neither their results nor those that were made from them are shortcuts.
    const stale = new Set<string>();
    for (const action of all) {
      const { id, stage } = action;
      const known = this.#keys.get(id)!;
      const byRecipe = this.store.results.byRecipe(known.recipeKey);
      // No record of another stage is served, whatever recipe the record claims.
      const local = byRecipe && this.#isOf(action, byRecipe, known) ? byRecipe : undefined;
      const found = this.#goodResult(action, local) ??
        this.#sharedResult(action, this.options.cache?.knownByRecipe(known.recipeKey), known) ??
        local;
      if (found !== undefined) latest.set(id, found);
      const moved = this.options.force?.has(stage.id) === true || readsOf(stage).some((id) => stale.has(id)) ||
        (found !== undefined && !readsLatest(stage, found, latest));
      if (moved) stale.add(id);
      const served = moved ? undefined : found;
      const manifest = this.#goodResult(action, served) ?? this.#sharedResult(action, served, known);
      if (manifest !== undefined) this.#shortcuts.set(id, manifest);
      edges.set(id, manifest === undefined ? predecessorsOf(stage) : []);
    }
    return withPredecessors(edges, targets);
  }

  /** Returns the digests of what a stage reads, for the ports whose inputs all exist. */
  #inputsOf(stage: Stage): Ingredients["inputs"] {
    const known: Record<string, string[]> = {};
    for (const [port, bindings] of Object.entries(stage.inputs)) {
      const digests = bindings.map((one) => this.settled.get(one.stage)?.outputs[one.port]?.digest);
      if (digests.every((digest) => digest !== undefined)) known[port] = digests;
    }
    return known;
  }

  /** Returns the local key from when all sources of its program counted by their bytes, if that is another. */
  #formerKey({ stage }: Action, { local }: ActionKeys): string | undefined {
    const externals = this.digested.byBytes.get(stage.slot?.trial?.id ?? stage.id);
    return externals && recipeKeyOf({ ...local, externals }, {}).localKey;
  }

  /** True if a result has the code, params, seed and externals of an action, or is kept for it. */
  #isOf(action: Action, { localKey, resolvedKey }: ResultManifest, known: ActionKeys): boolean {
    return [known.localKey, this.#formerKey(action, known)].includes(localKey) || resolvedKey === known.keep?.result;
  }

  #resolve(action: Action, known: ActionKeys): PlannedAction["keys"] {
    const { stage } = action;
    const inputs = this.#inputsOf(stage);
    if (Object.keys(inputs).length < Object.keys(stage.inputs).length) return undefined;
    // A run plans a stage several times, and hashing its inputs is most of the work.
    const before = this.#resolved.get(action);
    if (before !== undefined && JSON.stringify(before.ingredients.inputs) === JSON.stringify(inputs)) return before;
    const ingredients = { ...known.local, inputs };
    const identityKey = identityKeyOf(ingredients, extentParam(stage.kind));
    const former = this.#formerKey(action, known);
    const formerKey = former && resolvedKeyOf(former, inputs);
    const keys = { ingredients, resolvedKey: resolvedKeyOf(known.localKey, inputs), identityKey, formerKey };
    this.#resolved.set(action, keys);
    return keys;
  }

  /** Returns a result if all its objects exist. Their content is checked when it is read. */
  #goodResult(action: Action, manifest: ResultManifest | undefined): ResultManifest | undefined {
    if (manifest === undefined || !hasPortsOf(action, manifest)) return undefined;
    // Only success is remembered: a missing object may be made again at any time.
    if (!this.#intact.has(manifest) && !filesOf(manifest).every((file) => this.store.objects.has(file))) {
      return undefined;
    }
    this.#intact.add(manifest);
    return manifest;
  }

  /** Returns a result that the shared cache still offers, and never one that is stored under another stage's key. */
  #sharedResult(action: Action, manifest: ResultManifest | undefined, own: ActionKeys): ResultManifest | undefined {
    if (manifest === undefined || !this.#isOf(action, manifest, own)) return undefined;
    const known = this.options.cache?.known(manifest.resolvedKey);
    return known !== undefined && hasPortsOf(action, known) ? known : undefined;
  }

  #changes({ id, stage }: Action, now: Known): Reason[] {
    const last = this.store.lastShown(this.pipeline.name, id);
    const byBytes = this.digested.byBytes.get(stage.slot?.trial?.id ?? stage.id);
    return explainChange(stage, now, last, this.pipeline.origins).filter((reason) =>
      // The last result is from when this file, which is the same, counted by its bytes.
      reason.code !== "external" || reason.from === undefined || reason.from !== byBytes?.[reason.name]
    );
  }

  #served(action: Action, now: Known, manifest: ResultManifest): Pick<PlannedAction, "state" | "reasons"> {
    if (action.view === undefined) return { state: "cached", reasons: [] };
    const view = this.store.viewsOf(this.pipeline.name).check(action.view, manifest.resolvedKey);
    if (view.state === "good") return { state: "cached", reasons: [] };
    if (view.state === "other") return { state: "restore", reasons: this.#changes(action, now) };
    const files = view.state === "absent" ? ["all"] : view.files;
    const code = view.state === "modified" ? "output-modified" : "output-missing";
    return { state: "restore", reasons: [{ code, files }] };
  }

  #pending(action: Action, known: ActionKeys, force: boolean): Pick<PlannedAction, "state" | "reasons"> {
    const { stage } = action;
    const { local, localKey } = known;
    const { results } = this.store;
    // An open slot has params of the first trial for the time being, and these are no change.
    const ranking = isOpenSlot(action) ? stage.slot!.rankings.at(-1)! : undefined;
    const changes = () => this.#changes(action, { ...local, inputs: this.#inputsOf(stage) });
    const ownReasons = (): Reason[] => ranking === undefined ? changes() : [{ code: "upstream", stage: ranking }];
    const reasons: Reason[] = force ? [{ code: "forced" }] : ownReasons();
    const waiting = [...new Set(readsOf(stage))].filter((id) => !this.settled.has(id) && id !== ranking);
    if (reasons[0]?.code !== "new") reasons.push(...waiting.map((id) => ({ code: "upstream" as const, stage: id })));
    // No result has this stage's local key, so no bytes from upstream can make it cached.
    const certain = force ||
      !(isOpen(action) || known.keep !== undefined || results.hasLocal(localKey) ||
        results.hasLocal(this.#formerKey(action, known) ?? "") ||
        this.options.cache?.mayServe);
    return { state: certain ? "run" : "may-run", reasons };
  }

  #start(action: Action, identityKey: string, force: boolean): Pick<PlannedAction, "state" | "fromStep"> {
    const limit = action.stage.extent ?? Number.MAX_SAFE_INTEGER;
    const folder = progressFolder(this.store.paths.progress, identityKey, this.devices.of(action).device?.numerics);
    const step = force ? undefined : newestSavedStep(folder, limit);
    if (step === undefined || step === 0) return { state: "run" };
    const finished = this.store.results.byIdentity(identityKey).some((one) => one.extent === step);
    return { state: finished ? "extend" : "resume", fromStep: step };
  }
}
