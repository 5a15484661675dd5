import { join } from "node:path";
import type { StageRun } from "../../contract/stage.ts";
import type { RunOptions } from "./events.ts";
import { externalPaths, withPaths } from "../keys/externals.ts";
import type { Action } from "../keys/action.ts";
import type { Binding } from "../keys/stage.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { isForced, type PlannedAction } from "../plan/plan.ts";
import type { Planner } from "../plan/planner.ts";
import { runInChild } from "../process/child.ts";
import { makeContext, runStage } from "../process/context.ts";
import { installPackages } from "../process/install.ts";
import { defaultMemoryLimit, parseMemory } from "../process/runtime.ts";
import { type Grants, notGranted, requestsOf } from "../process/rights.ts";
import { StageLog } from "../process/lines.ts";
import type { InputMessage, StageEvent, StageOutcome, StartMessage } from "../process/protocol.ts";
import { makeDurableFolder } from "../store/folders.ts";
import { isTooLargeToCopy, restoreMetadata, snapshotMetadata } from "../store/lent.ts";
import { progressFolder, pruneStates, savedSteps } from "../store/progress.ts";
import { inside } from "../store/roots.ts";
import type { Store } from "../store/store.ts";
import { cannotFetch, type ExternalInputChecker, fetchesFiles, prepareExternalInputs } from "./external_inputs.ts";
import type { HeldSlots } from "./slots.ts";
import { ProgressWriter, type RateMeter } from "./progress_reporting.ts";
import { refusePreview } from "./previews.ts";
import { makeFolder, removeQuietly } from "../store/files.ts";

/**
 * Temporary folders of stages. A stage with a process of its own gets a fresh folder. Inline stages, which come by the
 * thousand and last a millisecond, share a few folders that are used again once they are empty: with a fresh folder for
 * each, a first run of 1,000 stages takes at least a quarter longer, since flushing files to disk waits for these
 * folders too.
 */
export class ScratchFolders {
  readonly #free: string[] = [];
  #count = 0;

  constructor(private readonly root: string, private readonly runId: string) {}

  /** @param name the name of a fresh folder; undefined for a shared one */
  take(name: string | undefined): string {
    if (name !== undefined) return join(this.root, name);
    return this.#free.pop() ?? join(this.root, `${this.runId}-inline-${this.#count++}`);
  }

  /** @param clean true if nothing is left in the folder, so that the next stage may have it */
  giveBack(folder: string, clean: boolean): void {
    if (clean && folder.includes(`${this.runId}-inline-`)) this.#free.push(folder);
    else removeQuietly(folder);
  }

  /** Removes the folders that are left. */
  close(): void {
    for (const folder of this.#free.splice(0)) removeQuietly(folder);
  }
}

/** The most notes of one stage before the rest is only logged: a loop of notes must not drown the others. */
const MAX_NOTES = 1_000;

export interface ExecutionOptions extends Required<Pick<RunOptions, "emit" | "stop" | "kill">> {
  readonly pipeline: Pipeline;
  readonly planner: Planner;
  readonly store: Store;
  readonly runId: string;
  /** The rights of custom stages. */
  readonly grants: Grants;
}

/** Executes the code of single stages, in this process or in one of its own. Nothing is published here. */
export class StageExecution {
  /** The bytes that are left for previews. */
  #room = 64 << 20;

  constructor(private readonly options: ExecutionOptions) {}

  /** Returns the folder of the states that a stage continues from. */
  progressOf({ keys, device }: PlannedAction): string {
    return progressFolder(this.options.store.paths.progress, keys!.identityKey, device?.numerics);
  }

  /** Lays out the files that the stage may see, and describes them in one message. */
  prepare(planned: PlannedAction, folder: string): StartMessage {
    const { store, planner, pipeline } = this.options;
    const { stage, shard, parts = [], keys, device } = planned;
    const progress = this.progressOf(planned);
    const layOut = (name: string) => (binding: Pick<Binding, "stage" | "port">, index: number): InputMessage => {
      const artifact = planner.settled.get(binding.stage)!.outputs[binding.port]!;
      // A stage in this process reads the objects in the store; a contained stage may see only what is laid out.
      const place = stage.kind.runs === "inline" ? null : inside(folder, "in", name, String(index));
      if (place !== null) store.objects.layOut(artifact.files, place, planned.isTrusted);
      return { type: artifact.type, digest: artifact.digest, files: artifact.files, folder: place };
    };
    const inputs: Record<string, InputMessage | InputMessage[] | null> = {};
    for (const port of Object.keys(stage.kind.inputs)) {
      const messages = (stage.inputs[port] ?? []).map(layOut(port));
      inputs[port] = stage.kind.inputs[port]!.list === true ? messages : messages[0] ?? null;
    }
    const outputs: Record<string, string> = {};
    for (const port of Object.keys(planned.outputs)) {
      outputs[port] = inside(folder, "out", port);
      makeFolder(outputs[port]);
    }
    return {
      params: withPaths(stage, externalPaths(stage, pipeline.folder)),
      seed: stage.kind.seeded ? stage.seed : 0,
      inputs,
      outputs,
      ...shard && { shard },
      // No port's name has a `-`.
      parts: parts.map((one) => ({ stage: one, port: "part" })).map(layOut("-parts")),
      // A forced stage starts at 0 and leaves existing progress as it is.
      progressFolder: isForced(planned) ? join(folder, "progress") : progress,
      progressLimit: stage.extent ?? Number.MAX_SAFE_INTEGER,
      device: device && { name: device.name, numerics: device.numerics },
      definitions: stage.kind.userCode.flatMap(({ sort, uses, digest }) => {
        return sort === "stage" ? [] : [{ sort, uses, code: digest }];
      }),
      packages: {},
      externals: keys!.ingredients.externals,
      downloads: fetchesFiles(stage) ? store.paths.downloads : undefined,
    };
  }

  /**
   * Executes a stage's code.
   * @param rate receives the stage's progress
   * @param watcher is notified when the stage saves, and stops the stage when its work is in vain
   */
  async execute(
    planned: PlannedAction,
    start: StartMessage,
    folder: string,
    held: HeldSlots,
    { rate, watcher }: { readonly rate: RateMeter; readonly watcher?: ExternalInputChecker },
  ): Promise<StageOutcome> {
    const { store, runId, stop, kill, emit, pipeline } = this.options;
    const { id, stage, work } = planned;
    using log = new StageLog((text) => store.runs.log(runId, id, text));
    using live = new ProgressWriter(store.runs, runId, id, rate);
    let [notes, previews, said] = [0, 0, false];
    const forward = (event: StageEvent) => {
      if (event.type === "progress") {
        live.note(event.update);
        const perSecond = rate.perSecond()[event.update.unit] ?? null;
        emit({ type: "stage-progress", id, update: event.update, perSecond });
      } else if (event.type === "saved") {
        // A stage in this process takes milliseconds, and cannot be killed.
        if (watcher !== undefined && stage.kind.runs !== "inline") watcher.check();
        else pruneStates(start.progressFolder, savedSteps(start.progressFolder), start.progressLimit);
        emit({ type: "stage-saved", id, step: event.step });
      } else if (event.type === "preview") {
        const { step, seconds = 0 } = event;
        rate.excludeSeconds(seconds);
        const png = Uint8Array.fromBase64(event.png);
        const refused = refusePreview(png, previews, this.#room);
        if (refused !== undefined && !said) forward({ type: "warn", message: `${refused}; it is left out` });
        said ||= refused !== undefined;
        const path = refused === undefined ? store.runs.keepPreview(runId, id, step, png) : undefined;
        if (path === undefined) return;
        previews++;
        this.#room -= png.length;
        emit({ type: "stage-preview", id, step, path });
      } else {
        log.add(`${event.type}: ${event.message}`);
        if (++notes > MAX_NOTES) return;
        emit({ type: "stage-note", id, level: event.type, message: event.message });
        if (notes < MAX_NOTES) return;
        emit({ type: "stage-note", id, level: "note", message: "further notes are only in the log" });
      }
    };
    for (const message of work.notes ?? []) forward({ type: "note", message });
    if (stage.kind.runs === "inline") {
      const { default: run } = await import(stage.kind.entry) as { default: StageRun };
      return await runStage(run, makeContext(start, stop, forward, (file) => store.objects.pathOf(file.sha256)));
    }
    // The run has already asked about the stages that were planned to run; this one may run because a result turned out
    // to be damaged.
    const refused = this.options.grants.open(requestsOf([planned], pipeline.folder));
    if (refused.length > 0) {
      const { message, got, fix } = notGranted(refused, pipeline.origins);
      return { status: "failed", message: `${message}: ${got}`, fix: fix! };
    }
    const note = (message: string) => emit({ type: "stage-note", id, level: "note", message });
    const missing = await installPackages(stage.kind, note, stop);
    if (missing !== undefined && stop.aborted) return { status: "interrupted", step: 0 };
    if (missing !== undefined) return { status: "failed", ...cannotFetch(missing) };
    const reachable = await prepareExternalInputs(planned, { pipeline, store }, folder, note);
    if ("message" in reachable) return { status: "failed", ...reachable };
    store.runs.use(runId, { progress: { [id]: planned.keys!.identityKey } });
    makeDurableFolder(start.progressFolder);
    const grants = await planned.device?.grants() ?? {};
    if (!planned.isTrusted) {
      snapshotMetadata(folder, [...linkedInputs(start), ...reachable.lent, ...grants.read ?? []]);
    }
    const params = withPaths({ kind: stage.kind, params: start.params }, reachable.params);
    try {
      return await runInChild(stage.kind, { ...start, params, packages: reachable.packages }, {
        folder,
        readable: [join(folder, "in"), join(folder, "out"), start.progressFolder, ...reachable.readable],
        writable: [...Object.values(start.outputs), start.progressFolder, ...reachable.writable],
        hosts: reachable.hosts,
        grants,
        timeoutMs: stage.timeoutMs,
        memoryLimit: memoryLimitOf(planned),
        env: held.gpus.length > 0 ? { CUDA_VISIBLE_DEVICES: held.gpus.join(",") } : {},
        stop,
        kill: AbortSignal.any([kill, ...watcher === undefined ? [] : [watcher.edited]]),
        emit: forward,
        log,
      });
    } finally {
      if (restoreMetadata(folder).length > 0) forward({ type: "warn", message: CHANGED_WHAT_IT_READS });
    }
  }
}

const CHANGED_WHAT_IT_READS = "it changed the mode, owner or times of files it may only read; they have been restored";

/** Returns the folders of inputs that a stage's process shares with the store. */
function linkedInputs({ inputs, parts = [] }: StartMessage): string[] {
  const messages = [...Object.values(inputs).flat(), ...parts].filter((one) => one !== null);
  return messages.filter(({ files }) => isTooLargeToCopy(files)).map(({ folder }) => folder!);
}

/**
 * Returns the memory limit of a stage, in bytes. A built-in kind may take all there is, as training does, unless the
 * pipeline says otherwise. A kind that reads files from elsewhere has the limit of user code: whoever made these files
 * may have meant it to take more.
 */
export function memoryLimitOf({ stage, isTrusted }: Pick<Action, "stage" | "isTrusted">): number | undefined {
  const { memory } = stage.resources;
  if (memory !== undefined) return parseMemory(memory);
  const readsFiles = fetchesFiles(stage) || Object.keys(externalPaths(stage, ".")).length > 0;
  return isTrusted && !readsFiles ? undefined : defaultMemoryLimit();
}
