import { join } from "node:path";
import type { ResultManifest } from "../../schemas/records.ts";
import type { StageDevice, StageRun } from "../../stages/contract.ts";
import type { Diagnostic } from "../diagnostic/diagnostic.ts";
import type { Emit, StageEndState } from "../event/events.ts";
import { externalPaths } from "../fingerprint/externals.ts";
import type { Pipeline } from "../pipeline.ts";
import type { PlannedStage } from "../plan/plan.ts";
import type { Planner } from "../plan/planner.ts";
import { runInChild } from "../process/child.ts";
import { makeContext, runStage } from "../process/context.ts";
import { installPackages } from "../process/install.ts";
import type { InputMessage, StageEvent, StageOutcome, StartMessage } from "../process/protocol.ts";
import { isEnvironmental, makeFolder } from "../store/files.ts";
import { acquireLock } from "../store/locks.ts";
import { findMovedGround } from "./moved_ground.ts";
import { RateMeter } from "./rate.ts";
import { progressFolder } from "../store/progress.ts";
import type { Store } from "../store/store.ts";
import { collectOutputs, differingPorts, flushOutputs, makeManifest } from "./publish.ts";
import { fetchesFiles, openOutside } from "./outside.ts";
import { ScratchFolders } from "./scratch.ts";
import type { HeldSlots, Slots } from "./slots.ts";

/** How one stage came out. */
export interface StageResult {
  readonly state: StageEndState;
  readonly manifest?: ResultManifest;
  readonly message?: string;
  readonly fix?: string;
  readonly mine?: string;
  readonly fromStep?: number;
  /** What it was computed on in this run. */
  readonly device?: StageDevice;
  /** Its own work, without waiting for locks and slots; absent where nothing ran. */
  readonly workMs?: number;
  /** Units of its progress, such as steps and images. */
  readonly perSecond?: Readonly<Record<string, number>>;
}

export interface RunnerOptions {
  readonly pipeline: Pipeline;
  readonly planner: Planner;
  readonly store: Store;
  readonly runId: string;
  readonly slots: Slots;
  readonly emit: Emit;
  readonly stop: AbortSignal;
  readonly kill: AbortSignal;
  /** Whether new work may begin: not after a failure or a request to stop. */
  readonly mayStart: () => boolean;
  /** Called while a stage that failed still holds its slot, so that the next in line already knows. */
  readonly onFailure: () => void;
  /** When a forced stage gives other bytes than before: take the new ones. */
  readonly replace: boolean;
}

function isForced(planned: PlannedStage): boolean {
  return planned.reasons.some(({ code }) => code === "forced");
}

const INTERRUPTED: StageResult = { state: "interrupted" };

/** The stages that it reads were left out, because its own result was there; the next run will not leave them out. */
const DAMAGED_SHORTCUT: StageResult = {
  state: "failed",
  message: "its result in the store is damaged, and the stages that it reads were not asked for",
  fix: "run again; what it needs will be made",
};

/** Brings single stages to their declared state. What runs next is the scheduler's business. */
export class StageRunner {
  readonly #options: RunnerOptions;
  readonly #scratch: ScratchFolders;
  readonly #rates = new Map<string, RateMeter>();
  readonly #announced = new Set<string>();

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#scratch = new ScratchFolders(options.store.temporaryRoot, options.runId);
  }

  /** Remove what is left of temporary folders. */
  close(): void {
    this.#scratch.close();
  }

  /** Reach a stage whose inputs are settled: serve its result, or run it. */
  async reach(id: string): Promise<StageResult> {
    try {
      return await this.#reach(id);
    } catch (error) {
      if (!isEnvironmental(error)) throw error;
      // A result that could not be written whole does not exist, so there is nothing to undo.
      const message = `cannot write to the store: ${(error as Error).message}`;
      return { state: "failed", message, fix: "make the place writable or free some space, then run again" };
    }
  }

  async #reach(id: string): Promise<StageResult> {
    const { planner, store, stop, emit } = this.#options;
    let planned = planner.planStage(id);
    const forced = isForced(planned);
    if (planned.state === "cached") return this.#serve(planned)!;
    const identityKey = planned.keys?.identityKey ?? planned.manifest?.identityKey;
    if (identityKey === undefined) throw new Error(`Cannot happen: inputs of ${id} are not settled`);

    let waited = false;
    using lock = await acquireLock(store.lockPath(identityKey), stop, (holder) => {
      waited = true;
      emit({ type: "stage-waiting", id, holder });
    });
    if (lock === undefined) return INTERRUPTED;
    if (waited) store.viewsOf(this.#options.pipeline.name).refresh();
    for (let tries = 0;; tries++) {
      // Another run may have published this very result while this one waited for the lock.
      planned = planner.planStage(id, forced);
      const late = this.#serve(planned);
      if (late !== undefined) return late;
      if (planned.keys === undefined) return DAMAGED_SHORTCUT;
      const broken = await this.#healInputs(planned);
      if (broken !== undefined) return broken;
      // Known from the plan, unless this stage runs because its result turned out to be broken.
      await planner.findDevice(planned.stage);
      const { problem } = planned.stage.kind.device === undefined ? planned : planner.planStage(id, forced);
      if (problem !== undefined) return failedBy(problem);
      using held = await this.#options.slots.take(planned.stage.resources, stop);
      if (held === undefined) return INTERRUPTED;
      // Another stage may have failed while this one waited for its slot.
      if (!this.#options.mayStart()) return { state: "blocked" };
      const began = performance.now();
      const result = await this.#run(planner.planStage(id, forced), held);
      if ("lost" in result && tries < planned.stage.retries) {
        emit({ type: "stage-note", id, level: "warn", message: `${result.lost}; trying again` });
        continue;
      }
      const final: StageResult = "lost" in result ? { state: "failed", message: result.lost } : result;
      if (final.state === "failed") this.#options.onFailure();
      return { ...final, workMs: performance.now() - began };
    }
  }

  /** Show a result that is there. A result whose bytes are not what they should be is set aside, not served. */
  #serve(planned: PlannedStage): StageResult | undefined {
    const { manifest, stage } = planned;
    if (manifest === undefined) return undefined;
    const { planner, store, pipeline } = this.#options;
    if (planned.state === "cached") {
      this.#settle(planned, manifest);
      return { state: "cached", manifest };
    }
    if (!this.#verify(stage.id, manifest)) {
      planner.distrust(manifest);
      return undefined;
    }
    const mine = store.viewsOf(pipeline.name).install(stage.id, manifest);
    this.#settle(planned, manifest);
    return { state: "restored", manifest, ...(mine === undefined ? {} : { mine }) };
  }

  #settle(planned: PlannedStage, manifest: ResultManifest): void {
    this.#options.planner.settle(planned.stage.id, manifest);
    this.#options.store.results.addRecipe(planned.recipeKey, manifest);
  }

  /** Whether all objects of a result hold what they should; broken ones are named and set aside. */
  #verify(id: string, manifest: ResultManifest): boolean {
    const { store, emit } = this.#options;
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

  /** Make sure that inputs hold what they should, running the stages again whose results do not. */
  async #healInputs(planned: PlannedStage): Promise<StageResult | undefined> {
    const { planner } = this.#options;
    for (const binding of Object.values(planned.stage.inputs).flat()) {
      const manifest = planner.settled(binding.stage);
      if (manifest === undefined || this.#verify(binding.stage, manifest)) continue;
      planner.distrust(manifest);
      const again = await this.reach(binding.stage);
      if (again.manifest === undefined) return again;
    }
    return undefined;
  }

  async #run(planned: PlannedStage, held: HeldSlots): Promise<StageResult | { lost: string }> {
    const { store, runId, emit, pipeline } = this.#options;
    const { stage, device } = planned;
    const started = performance.now();
    this.#announce(device);
    emit({ type: "stage-started", id: stage.id, planned });
    const folder = this.#scratch.take(stage.kind.runs === "inline" ? undefined : `${runId}-${stage.id}`);
    let clean = false;
    try {
      const start = this.#prepare(planned, folder);
      const outcome = await this.#execute(planned, start, folder, held);
      if (outcome.status === "lost") return { lost: outcome.message };
      const on = device === undefined ? {} : { device };
      if (outcome.status !== "complete") return { ...toResult(outcome, planned), ...on };
      await flushOutputs(start.outputs);
      const collected = collectOutputs(planned, start.outputs, store);
      if ("error" in collected) return { state: "failed", message: collected.error, fix: collected.fix };
      clean = collected.emptied;
      const moved = await findMovedGround(planned, { pipeline, store });
      if (moved !== undefined) {
        const message = `${moved} changed after the run was planned; its result is not kept`;
        return { state: "failed", message, fix: "run again" };
      }
      const manifest = this.#publish(planned, makeManifest(planned, collected.outputs, runId));
      const mine = store.viewsOf(pipeline.name).install(stage.id, manifest);
      this.#recordTiming(planned, performance.now() - started);
      const from = planned.fromStep === undefined ? {} : { fromStep: planned.fromStep };
      const perSecond = this.#rates.get(stage.id)?.perSecond() ?? {};
      return { state: "ran", manifest, perSecond, ...from, ...on, ...(mine === undefined ? {} : { mine }) };
    } finally {
      this.#scratch.giveBack(folder, clean);
    }
  }

  /** Say once in a run that a device is used and why. */
  #announce(device: StageDevice | undefined): void {
    if (device === undefined || this.#announced.has(device.name)) return;
    this.#announced.add(device.name);
    const { name, numerics, reason } = device;
    this.#options.emit({ type: "device", name, numerics, reason });
  }

  /** Lay out what the stage may see, and say it in one message. */
  #prepare(planned: PlannedStage, folder: string): StartMessage {
    const { store, planner, pipeline } = this.#options;
    const { stage, keys, device } = planned;
    const inputs: Record<string, InputMessage | InputMessage[] | null> = {};
    for (const port of Object.keys(stage.kind.inputs)) {
      const messages = (stage.inputs[port] ?? []).map((binding, index): InputMessage => {
        const artifact = planner.settled(binding.stage)!.outputs[binding.port]!;
        // A stage in this process reads the objects where they are; a contained one may see nothing else.
        const place = stage.kind.runs === "inline" ? null : join(folder, "in", port, String(index));
        if (place !== null) store.objects.layOut(artifact.files, place);
        return { type: artifact.type, digest: artifact.digest, files: artifact.files, folder: place };
      });
      inputs[port] = stage.kind.inputs[port]!.list === true ? messages : messages[0] ?? null;
    }
    const outputs: Record<string, string> = {};
    for (const port of Object.keys(stage.kind.outputs)) {
      outputs[port] = join(folder, "out", port);
      this.#scratch.ensure(outputs[port]);
    }
    const progress = progressFolder(store.progressRoot, keys!.identityKey, device?.numerics);
    return {
      type: "start",
      nonce: crypto.randomUUID(),
      params: { ...stage.params, ...externalPaths(stage, pipeline.folder) },
      seed: stage.kind.seeded ? pipeline.seed : 0,
      inputs,
      outputs,
      // A forced stage starts at 0 and leaves the progress that is there as it is.
      progressFolder: isForced(planned) ? join(folder, "progress") : progress,
      progressLimit: stage.extent ?? Number.MAX_SAFE_INTEGER,
      device: device === undefined ? null : { name: device.name, numerics: device.numerics },
      packages: {},
      downloads: fetchesFiles(stage) ? store.downloadsRoot : null,
    };
  }

  async #execute(
    planned: PlannedStage,
    start: StartMessage,
    folder: string,
    held: HeldSlots,
  ): Promise<StageOutcome> {
    const { store, runId, stop, kill, emit, pipeline } = this.#options;
    const { stage } = planned;
    const log = (line: string) => store.runs.log(runId, stage.id, line);
    this.#rates.set(stage.id, new RateMeter());
    const forward = (event: StageEvent) => {
      if (event.type === "progress") {
        this.#rates.get(stage.id)?.note(event.update);
        emit({ type: "stage-progress", id: stage.id, update: event.update });
      } else if (event.type === "saved") emit({ type: "stage-saved", id: stage.id, step: event.step });
      else {
        log(`${event.type}: ${event.message}`);
        emit({ type: "stage-note", id: stage.id, level: event.type, message: event.message });
      }
    };
    if (stage.kind.runs === "inline") {
      const { default: run } = await import(stage.kind.entry) as { default: StageRun };
      return await runStage(run, makeContext(start, stop, forward, (file) => store.objects.pathOf(file.sha256)));
    }
    const note = (message: string) => emit({ type: "stage-note", id: stage.id, level: "note", message });
    const problem = await installPackages(stage.kind.entry, stage.kind.custom, note);
    const folders = { pipeline: pipeline.folder, downloads: store.downloadsRoot, scratch: folder };
    const outside = problem ?? await openOutside(stage, folders, note);
    if (typeof outside === "string") {
      return {
        status: "failed",
        message: `cannot fetch its packages: ${outside}`,
        fix: "check the network, then run again",
      };
    }
    makeFolder(start.progressFolder);
    return await runInChild(stage.kind, { ...start, packages: outside.packages }, {
      folder,
      readable: [join(folder, "in"), join(folder, "out"), start.progressFolder, ...outside.readable],
      writable: [...Object.values(start.outputs), start.progressFolder, ...outside.writable],
      hosts: outside.hosts,
      grants: await planned.device?.grants() ?? {},
      timeoutMs: stage.timeoutMs,
      env: held.gpus.length > 0 ? { CUDA_VISIBLE_DEVICES: held.gpus.join(",") } : {},
      stop,
      kill,
      emit: forward,
      log,
    });
  }

  /** Publish, or keep what was published first: one key has one result. */
  #publish(planned: PlannedStage, manifest: ResultManifest): ResultManifest {
    const { store, replace, emit } = this.#options;
    const first = store.results.byResolved(manifest.resolvedKey);
    const ports = first === undefined ? [] : differingPorts(first, manifest);
    let serving = manifest;
    if (first !== undefined && ports.length > 0) {
      const within = first.numerics === manifest.numerics;
      const what = within ? "not deterministic" : `differs by device (${first.numerics} and ${manifest.numerics})`;
      const digests = ports.map((port) =>
        `${port} ${first.outputs[port]!.digest.slice(0, 12)} and ${manifest.outputs[port]!.digest.slice(0, 12)}`
      );
      const keeps = replace
        ? "the new result replaces the first"
        : "the first result is kept; --replace takes the new one";
      const message = `${what}: one key, two results (${digests.join("; ")}); ${keeps}`;
      emit({ type: "stage-note", id: planned.stage.id, level: "warn", message });
      if (!replace && this.#verify(planned.stage.id, first)) serving = first;
    }
    if (serving === manifest) store.results.publish(manifest);
    this.#settle(planned, serving);
    return serving;
  }

  /** Only whole runs tell how long a stage takes. */
  #recordTiming({ stage, fromStep, device }: PlannedStage, durationMs: number): void {
    if (fromStep !== undefined) return;
    const workGflop = stage.workGflop ?? null;
    this.#options.store.timings.add({
      pipeline: this.#options.pipeline.name,
      stage: stage.id,
      kind: stage.kind.name,
      numerics: device?.numerics ?? null,
      workGflop,
      durationMs,
    });
  }
}

function failedBy({ message, fix }: Diagnostic): StageResult {
  return { state: "failed", message, ...(fix === undefined ? {} : { fix }) };
}

function toResult(outcome: Exclude<StageOutcome, { status: "complete" | "lost" }>, planned: PlannedStage): StageResult {
  switch (outcome.status) {
    case "interrupted":
      return isForced(planned) ? { ...INTERRUPTED, message: "a forced stage starts over" } : INTERRUPTED;
    case "crashed":
      return {
        state: "failed",
        message: outcome.stack.includes(outcome.message) ? outcome.stack : `${outcome.message}\n${outcome.stack}`,
      };
    case "timeout":
      return {
        state: "failed",
        message: outcome.message,
        fix: `raise timeout of ${planned.stage.entry}; its progress is kept`,
      };
    case "failed":
      return { state: "failed", message: outcome.message, ...(outcome.fix === undefined ? {} : { fix: outcome.fix }) };
  }
}
