import { definedOnly } from "../../std/defined_only.ts";
import type { ResultManifest } from "../../schemas/records.ts";
import type { StageDevice } from "../../schemas/device.ts";
import { commandFor } from "../pipeline/command_for.ts";
import { CURVE_PORT } from "../../schemas/log.ts";
import { isForced, type PlannedAction } from "../plan/plan.ts";
import type { StartMessage } from "../process/protocol.ts";
import { firstError, isIoError, machineFix } from "../store/io_errors.ts";
import type { Planner } from "../plan/planner.ts";
import { hasPortsOf } from "../plan/serving.ts";
import type { HeldClaim } from "../store/cache/work_claims.ts";
import { acquireLock } from "../store/locks.ts";
import { statesIn } from "../store/progress.ts";
import { concludeTrial, lossBefore } from "./losses.ts";
import { collectOutputs, compareResults, listOutputs, makeManifest } from "./publish.ts";
import { curveIn, curvePlace } from "./curve.ts";
import type { HeldSlots, Slots } from "./slots.ts";
import type { ExecutionOptions, Executor, Workspace } from "./executor.ts";
import { StageExecution } from "./stage_execution.ts";
import { fileNameOf } from "../store/folders.ts";
import { RateMeter, recordTiming } from "./progress_reporting.ts";
import { ExternalInputChecker } from "./external_inputs.ts";
import { type Action, inputsOf } from "../keys/action.ts";
import { slotsOf } from "../plan/wanted_slots.ts";
import type { RunOptions } from "./run_options.ts";
import type { RunRecorder } from "./run_recorder.ts";
import { endOf, failedBy, type Lost, NOT_BEGUN, type StageResult } from "./stage_result.ts";

/** Returns the message for the time in which `gc`, or for a moment `verify`, has the store to itself. */
export function waitingForStore(holder: string): string {
  return `waiting for ${holder}, which has locked the store`;
}

interface RunnerOptions extends ExecutionOptions, Pick<RunOptions, "cache"> {
  readonly planner: Planner;
  /** The executor of this machine. */
  readonly here: Executor;
  /** The executor of the run. */
  readonly executor: Executor;
  readonly recorder: RunRecorder;
  readonly slots: Slots;
  /** Returns true if new work may begin: not after a failure or a request to stop. */
  readonly mayStart: () => boolean;
  /** Called while a failed stage still holds its slot, so that the next stage in line already knows of the failure. */
  readonly onFailure: () => void;
  /** Called for a stage that was reached because another one needed it again, with the time at which that began. */
  readonly onRerun: (id: string, result: StageResult, started: number) => void;
  /** Returns true if other machines should not compute the same result as a stage at the same time. */
  readonly isClaimed: (id: string) => boolean;
  /** True to take the new bytes if a forced stage gives other bytes than before. */
  readonly replace: boolean;
}

/** An action has to be looked at again: its inputs were not settled, or another machine has worked on its key. */
type Again = Lost | { readonly again: "inputs" | "claimed" };

/** The most times that damaged inputs of a stage are made again: a disk may damage them each time. */
const MAX_UNSETTLED = 5;
const UNSETTLED = failedBy({ message: "its inputs cannot be stored intact", fix: "check the disk, then run again" });

const NO_CURVE = {
  message: "another stage reads its log, and it has reported no figures",
  fix:
    "report figures, in Python by noiseline.log(step, steps, loss=…); after an update of noiseline, run it with --force",
};

/** Brings single stages to their declared state. The scheduler decides which stage runs next. */
export class StageRunner {
  readonly #execution: StageExecution;
  readonly #announced = new Set<string>();

  constructor(private readonly options: RunnerOptions) {
    this.#execution = new StageExecution(options);
  }

  /** Reaches a stage whose inputs are settled: serves its result, or runs it. */
  async ensure(id: string): Promise<StageResult> {
    try {
      return await this.#ensure(id);
    } catch (error) {
      if (!isIoError(error)) throw error;
      // A result that could not be written whole does not exist, so there is nothing to undo.
      const message = `cannot write to the store: ${(firstError(error) as Error).message}`;
      return { state: "failed", message, fix: machineFix(error) ?? "make the folder writable, then run again" };
    }
  }

  /** Serves a result that is there and shown, which needs no lock; else reaches what is in its key, and makes it. */
  async #ensure(id: string): Promise<StageResult> {
    const planned = this.options.planner.planAction(id);
    const forced = isForced(planned);
    const served = planned.state === "cached" ? await this.#find(id, forced) : undefined;
    const isKnown = planned.keys !== undefined || planned.manifest !== undefined;
    // Bytes of rankings decide what a slot is, so these must be good.
    const heals = planned.stage.slot !== undefined;
    return served ?? (isKnown ? undefined : await this.#ensureInputs(planned, heals)) ?? await this.#make(id, forced);
  }

  /** Finds a result under the lock of its identity, else reaches its inputs and starts the action. */
  async #make(id: string, forced: boolean): Promise<StageResult> {
    const { planner, store, pipeline, stop, emit } = this.options;
    const { keys, manifest } = planner.planAction(id, forced);
    const identityKey = keys?.identityKey ?? manifest?.identityKey;
    if (identityKey === undefined) throw new Error(`Cannot happen: inputs of ${id} are not settled`);
    const onWait = (holder: string) => emit({ type: "stage-waiting", id, holder });
    // Keeps two from computing at once. Who comes first is the scheduler's to decide.
    using lock = await acquireLock(store.lockPath(identityKey), { signal: stop, onWait });
    if (lock === undefined) return NOT_BEGUN;
    // Who held the lock may have shown what it made.
    store.viewsOf(pipeline.name).refresh();
    for (let tries = 0, unsettled = 0; unsettled <= MAX_UNSETTLED;) {
      // Whoever held the lock has probably made this very result.
      const found = await this.#find(id, forced);
      const planned = planner.planAction(id, forced);
      const isLast = tries === planned.stage.retries;
      const end = found ?? await this.#ensureInputs(planned, true) ?? await this.#start(planned, forced, isLast);
      if (!("again" in end)) return end;
      if (end.again === "inputs") unsettled++;
      if (end.again !== "lost") continue;
      emit({ type: "stage-note", id, level: "warn", message: `${end.message}; trying again` });
      tries++;
    }
    return UNSETTLED;
  }

  /** Starts an action once it has its device, its slots and, where machines share results, the claim on its key. */
  async #start(planned: PlannedAction, forced: boolean, isLast: boolean): Promise<StageResult | Again> {
    const { planner, slots, stop, emit, cache } = this.options;
    const { id, stage, keys } = planned;
    if (keys === undefined) return { again: "inputs" };
    // The device is known from the plan, unless this stage runs because its result turned out to be broken.
    await planner.devices.find([planned]);
    const { problem, device } = stage.kind.device === undefined ? planned : planner.planAction(id, forced);
    if (problem !== undefined) return failedBy(problem);
    using held = await slots.take(slotsOf(planned, device), stop);
    // Another stage may have failed while this one waited for its slot.
    if (held === undefined || !this.options.mayStart()) return NOT_BEGUN;
    // Claimed only with a slot in hand, or machines would claim stages that they reach last.
    const claims = !forced && this.options.isClaimed(id);
    // If another machine computes it, the slot goes to other stages until that has ended.
    const onWait = (holder: string) => {
      held.release();
      emit({ type: "stage-waiting", id, holder });
    };
    await using claim = claims ? await cache!.claim(keys.resolvedKey, stop, onWait) : undefined;
    if (claims && claim === undefined) return { again: "claimed" };
    return await this.#carryOut(id, forced, held, claim, isLast);
  }

  /** Lets the executor carry out an action. @param isLast true if the action is not tried again should it be lost */
  async #carryOut(id: string, forced: boolean, held: HeldSlots, claim: HeldClaim | undefined, isLast: boolean) {
    const { planner, executor, here, runId } = this.options;
    const workspace = await executor.open(planner.planAction(id, forced), `${runId}-${fileNameOf(id)}`, here);
    const began = performance.now();
    const rate = new RateMeter();
    const end = "message" in workspace
      ? failedBy(workspace)
      // The executor may have brought saved states, so the action is planned again.
      : await this.#run(planner.planAction(id, forced), workspace, held, rate, claim);
    if ("again" in end && !isLast) return end;
    const last = "again" in end ? failedBy(end) : end;
    if (last.state === "failed") this.options.onFailure();
    return { ...last, figures: rate.figures, workMs: performance.now() - began };
  }

  /**
   * Serves an action from the store, or else from the shared cache. `gc` is kept off a result until it is on record
   * that this run uses it.
   */
  async #find(id: string, forced: boolean): Promise<StageResult | undefined> {
    const { planner, stop } = this.options;
    using gcLock = await this.#acquireSharedGcLock(id, stop);
    if (gcLock === undefined) return NOT_BEGUN;
    const planned = await planner.planShared(id, forced);
    return planned.shared === true ? await this.#serveFromCache(planned) : this.#serve(planned);
  }

  /** Shows a result that is there. A result with damaged bytes is set aside, not served. */
  #serve(planned: PlannedAction): StageResult | undefined {
    const { id, manifest } = planned;
    if (manifest === undefined) return undefined;
    const { planner } = this.options;
    if (planned.state === "cached") {
      this.#settle(planned, manifest);
      return { state: "cached", manifest };
    }
    if (!this.#verify(id, manifest)) {
      planner.distrust(manifest);
      return undefined;
    }
    const mine = this.#show(planned, manifest);
    this.#settle(planned, manifest);
    return definedOnly({ state: "restored" as const, manifest, mine });
  }

  #show({ view }: Action, manifest: ResultManifest): string | undefined {
    const { store, pipeline } = this.options;
    return view === undefined ? undefined : store.viewsOf(pipeline.name).install(view, manifest);
  }

  /** Returns the numerics that a stage was computed with; for one that joined parts, those of the parts. */
  #numericsOf({ joins, device }: PlannedAction): string | null {
    const found = joins.map((id) => this.options.planner.settled.get(id)!.numerics).filter((one) => one !== null);
    return device?.numerics ?? ([...new Set(found)].sort().join(" and ") || null);
  }

  /** Fetches a result from the shared cache and shows it. A result that cannot be fetched whole counts as absent. */
  async #serveFromCache({ id, manifest }: PlannedAction): Promise<StageResult | undefined> {
    const whole = await this.#download(id, manifest!, "; making it here");
    const served = whole ? this.#serve(this.options.planner.planAction(id, false)) : undefined;
    // The view may have been good all the while, although the store had lost the objects.
    return served === undefined ? undefined : { ...served, state: "restored", message: "from the shared cache" };
  }

  /** Brings a result from the shared cache into the store. @returns false if that fails */
  #download(id: string, manifest: ResultManifest, then = ""): Promise<boolean> {
    const { store, cache, emit } = this.options;
    const note = (message: string) => emit({ type: "stage-note", id, level: "note", message });
    const warn = (message: string) => emit({ type: "stage-note", id, level: "warn", message: `${message}${then}` });
    return cache!.fetch(manifest, store, { note, warn });
  }

  #settle(planned: PlannedAction, manifest: ResultManifest): void {
    const { planner, store, recorder } = this.options;
    planner.settled.set(planned.id, manifest);
    recorder.relyOn([[planned, manifest]]);
    store.results.addRecipe(planned.recipeKey, manifest);
  }

  /** Returns true if all objects of a result hold the right bytes; damaged objects are reported and set aside. */
  #verify(id: string, manifest: ResultManifest): boolean {
    const { store, emit } = this.options;
    let good = true;
    for (const [port, artifact] of Object.entries(manifest.outputs)) {
      for (const file of artifact.files) {
        if (store.objects.verify(file)) continue;
        good = false;
        store.objects.quarantine(file.sha256);
        const message = `${port}/${file.path} is damaged in the store (${file.sha256.slice(0, 12)}); making it again`;
        emit({ type: "stage-note", id, level: "warn", message });
      }
    }
    return good;
  }

  /**
   * Reaches the inputs of a stage that the plan left out because the stage's own result was there: that result turned
   * out to be damaged, or did not come from the shared cache.
   * @param heals true to make damaged inputs again
   * @returns how an input ended that has no result; undefined if all inputs have one
   */
  async #ensureInputs(action: PlannedAction, heals = false): Promise<StageResult | undefined> {
    const { planner, cache, pipeline } = this.options;
    for (const id of inputsOf(action)) {
      const manifest = planner.given.get(id)?.manifest;
      if (manifest !== undefined) {
        if (await this.#download(id, manifest)) continue;
        const again = commandFor("run", pipeline, "--cache", cache!.backend.place);
        const fix = `\`${again}\`, where you may compute, makes it again and replaces it`;
        return failedBy({ message: `${id}, which it reads, is damaged in the shared cache`, fix });
      }
      const settled = planner.settled.has(id) && (cache === undefined || planner.planAction(id, false).shared !== true);
      const ended = settled ? undefined : await this.#ensureInput(id);
      if (ended !== undefined) return ended;
      const input = planner.settled.get(id)!;
      if (!heals || this.#verify(id, input)) continue;
      planner.distrust(input);
      const broken = await this.#ensureInput(id);
      if (broken !== undefined) return broken;
    }
    return undefined;
  }

  /** Reaches a stage. @returns how it ended, if it has no result */
  async #ensureInput(id: string): Promise<StageResult | undefined> {
    const started = performance.now();
    const ensured = await this.ensure(id);
    this.options.onRerun(id, ensured, started);
    return ensured.manifest === undefined ? ensured : undefined;
  }

  /** Keeps `gc` off the store, or reports that `gc` has the store to itself. */
  #acquireSharedGcLock(id: string, signal: AbortSignal): Promise<Disposable | undefined> {
    const { store, emit } = this.options;
    return store.guards.acquireSharedGcLock(signal, (holder) => {
      emit({ type: "stage-note", id, level: "note", message: waitingForStore(holder) });
    });
  }

  /** Runs the program of an action, and publishes its outputs if it ended well. */
  async #run(
    planned: PlannedAction,
    workspace: Workspace,
    held: HeldSlots,
    rate: RateMeter,
    claim: HeldClaim | undefined,
  ): Promise<StageResult | Lost> {
    const { store, emit, pipeline, stop } = this.options;
    const { id, device } = planned;
    const started = performance.now();
    let isEmpty = false;
    try {
      this.#announce(device);
      emit({ type: "stage-started", id, planned });
      this.options.recorder.started(planned);
      const start = this.#execution.prepare(planned, workspace);
      const watcher = new ExternalInputChecker(planned, { pipeline, store }, start.progressFolder);
      const notFinite = lossBefore(planned.stage, this.options.planner.settled, store);
      const end = notFinite === undefined
        ? await this.#execution.execute(planned, start, workspace, held, { rate, watcher })
        : { status: "failed" as const, message: notFinite, notFinite };
      const curve = planned.stage.isCurveRead === true ? { [CURVE_PORT]: curvePlace(workspace.folder) } : {};
      const outcome = concludeTrial(end, planned.stage, { outputs: { ...start.outputs, ...curve } });
      const outputs = { ...start.outputs, ...curveIn(workspace.folder) };
      if (outcome !== end && notFinite === undefined && end.status === "failed") {
        emit({ type: "stage-note", id, level: "warn", message: `${end.message}; the trial ranks last` });
      }
      const { change, unsaved } = await watcher.finish();
      if (unsaved) {
        const message = `${change?.what} changed after planning; what the stage has saved since is discarded`;
        emit({ type: "stage-note", id, level: "warn", message });
      }
      const keptStep = Math.max(0, ...isForced(planned) ? [] : statesIn(start.progressFolder).keys());
      const isCut = watcher.edited.aborted && !stop.aborted;
      const listed = endOf(outcome, planned, { change: change?.what, isCut, keptStep }) ??
        (CURVE_PORT in curve && !(CURVE_PORT in outputs) ? NO_CURVE : listOutputs(outputs, planned.isTrusted));
      if (!("names" in listed)) return "state" in listed || "again" in listed ? listed : failedBy(listed);
      // Only the disk has work left, and the next stage need not wait for it.
      held.release();
      const { manifest, emptied, mine } = await this.#take(planned, outputs, listed.names, claim);
      isEmpty = emptied;
      const durationMs = performance.now() - started;
      // Steps count the whole stage's work, reports only the action's.
      const from = (planned.fromStep ?? 0) * planned.work.fraction;
      recordTiming(store, pipeline, planned, { durationMs, overheadMs: rate.overheadMs(durationMs, from) ?? null });
      const perSecond = rate.perSecond();
      return definedOnly({ state: "ran" as const, manifest, perSecond, fromStep: planned.fromStep, device, mine });
    } finally {
      workspace.close(isEmpty);
    }
  }

  /** Moves outputs into the store, publishes and shows them, and offers them to the shared cache. */
  async #take(
    planned: PlannedAction,
    folders: StartMessage["outputs"],
    names: Parameters<typeof collectOutputs>[2],
    claim: HeldClaim | undefined,
  ) {
    const { store, runId, kill, cache } = this.options;
    // Until the manifest names them, nothing refers to the files that are moved into the store.
    using _gcLock = await this.#acquireSharedGcLock(planned.id, kill);
    const { outputs, emptied } = await collectOutputs(planned, folders, names, store);
    const manifest = await this.#publish(planned, makeManifest(planned, outputs, this.#numericsOf(planned), runId));
    const sending = cache?.offer(manifest, planned.recipeKey, store);
    if (sending !== undefined) claim?.until(sending);
    return { manifest, emptied, mine: this.#show(planned, manifest) };
  }

  /** Reports once in a run that a device is used, and why. */
  #announce(device: StageDevice | undefined): void {
    if (device === undefined || this.#announced.has(device.numerics)) return;
    const { name, numerics, reason, warning } = device;
    this.#announced.add(numerics);
    this.options.emit({ type: "device", name, numerics, reason });
    if (warning === undefined) return;
    this.options.emit({ type: "warning", diagnostic: { severity: "warning", code: "device", ...warning } });
  }

  /** Publishes a result, or keeps the one that was published first: one key has one result. */
  async #publish(planned: PlannedAction, manifest: ResultManifest): Promise<ResultManifest> {
    const { store, replace, emit, pipeline } = this.options;
    const there = store.results.byResolved(manifest.resolvedKey);
    const first = there !== undefined && hasPortsOf(planned, there) ? there : undefined;
    const difference = first === undefined ? undefined : compareResults(first, manifest);
    let serving = manifest;
    if (first !== undefined && difference !== undefined) {
      const keeps = replace
        ? "the new result replaces the first"
        : "the first result is kept; use --replace to keep the new one";
      emit({ type: "stage-note", id: planned.id, level: "warn", message: `${difference.message}; ${keeps}` });
      if (!replace && this.#verify(planned.id, first)) serving = first;
      const kept = serving === first ? "first" as const : "second" as const;
      store.differences.add({ ...difference.record, pipeline: pipeline.name, stage: planned.id, kept });
    }
    if (serving === manifest) await store.results.publish(manifest);
    this.#settle(planned, serving);
    return serving;
  }
}
