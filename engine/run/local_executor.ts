import { join } from "node:path";
import type { FoundCommand } from "../../schemas/command.ts";
import type { StageRun } from "../contract/stage.ts";
import { type Diagnostic, errorOf } from "../diagnostic/diagnostic.ts";
import type { Action } from "../keys/action.ts";
import { externalPaths, withPaths } from "../keys/externals.ts";
import type { CommandProgram, InlineProgram, ModuleProgram } from "../keys/program.ts";
import { projectOf } from "../pipeline/project.ts";
import { mayRun, type Plan, type PlannedAction } from "../plan/plan.ts";
import { runInChild } from "../process/child.ts";
import { runCommand } from "../process/command.ts";
import { makeContext, runStage } from "../process/context.ts";
import { installPackages } from "../process/install.ts";
import type { StageOutcome, StartMessage } from "../process/protocol.ts";
import { defaultMemoryLimit, parseMemory } from "../process/runtime.ts";
import { removeQuietly } from "../store/files.ts";
import { makeDurableFolder } from "../store/folders.ts";
import { isTooLargeToCopy, restoreMetadata, snapshotMetadata } from "../store/metadata_guard.ts";
import type { Store } from "../store/store.ts";
import { inside } from "../store/write_roots.ts";
import type { ExecutionOptions, Executor, Order, Workspace } from "./executor.ts";
import { cannotFetch, fetchesFiles, prepareExternalInputs } from "./external_inputs.ts";
import { notGranted, requestsOf } from "./rights.ts";

type OwnProcess = ModuleProgram | CommandProgram;

/**
 * Carries out actions on this machine. The one place that asks what an action's program is.
 *
 * Inline programs run in this process, which reads the objects in the store. They come by the thousand and last a
 * millisecond, so they share a few folders that are used again once they are empty: with a fresh folder for each, a
 * first run of 1,000 stages takes at least a quarter longer, since flushing files to disk waits for these folders too.
 */
export class LocalExecutor implements Executor, Disposable {
  readonly #free: string[] = [];
  #count = 0;

  constructor(private readonly options: ExecutionOptions) {}

  async open(planned: PlannedAction, name: string): Promise<Workspace> {
    const { program } = planned;
    return program.kind === "inline" ? this.#openInline(program) : this.#openProcess(program, planned, name);
  }

  #openInline({ entry }: InlineProgram): Workspace {
    const { store: { objects, paths }, runId, stop } = this.options;
    const folder = this.#free.pop() ?? join(paths.tmp, `${runId}-inline-${this.#count++}`);
    return {
      folder,
      canBeStopped: false,
      layOut: () => null,
      execute: async ({ start, emit }) => {
        const { default: run } = await import(entry) as { default: StageRun };
        return await runStage(run, makeContext(start, stop, emit, (file) => objects.pathOf(file.sha256)));
      },
      close: (isEmpty) => isEmpty ? void this.#free.push(folder) : removeQuietly(folder),
    };
  }

  /** Opens a fresh folder, in which the program runs in a process of its own. */
  #openProcess(program: OwnProcess, planned: PlannedAction, name: string): Workspace {
    const { objects, paths } = this.options.store;
    const folder = join(paths.tmp, name);
    return {
      folder,
      canBeStopped: true,
      layOut: (files, name, index) => {
        const place = inside(folder, "in", name, String(index));
        objects.layOut(files, place, planned.isTrusted);
        return place;
      },
      execute: (order) => this.#execute(program, planned, folder, order),
      close: () => removeQuietly(folder),
    };
  }

  /** Runs a program with the rights that the user has granted; folders and limits are the same for all programs. */
  async #execute(
    program: OwnProcess,
    planned: PlannedAction,
    folder: string,
    order: Order,
  ): Promise<StageOutcome> {
    const { store, runId, stop, emit, pipeline, grants } = this.options;
    const { id, stage } = planned;
    const { start } = order;
    // The run has already asked about the stages that were planned to run; this one may run because a result turned out
    // to be damaged.
    const refused = grants.open(requestsOf([planned], pipeline.folder));
    if (refused.length > 0) {
      const { message, got, fix } = notGranted(refused, pipeline.origins);
      return { status: "failed", message: `${message}: ${got}`, fix: fix! };
    }
    const note = (message: string) => emit({ type: "stage-note", id, level: "note", message });
    const missing = await installPackages(program, note, stop);
    if (missing !== undefined && stop.aborted) return { status: "interrupted", step: 0 };
    if (missing !== undefined) return { status: "failed", ...cannotFetch(missing) };
    const reachable = await prepareExternalInputs(planned, { pipeline, store }, folder, note);
    if ("message" in reachable) return { status: "failed", ...reachable };
    store.runs.use(runId, { progress: { [id]: planned.keys!.identityKey } });
    makeDurableFolder(start.progressFolder);
    const device = await planned.device?.grants() ?? {};
    if (!planned.isTrusted) {
      snapshotMetadata(folder, [...linkedInputs(start), ...reachable.lent, ...device.read ?? []]);
    }
    const params = withPaths({ kind: stage.kind, params: start.params }, reachable.params);
    try {
      const told = { ...start, params, packages: reachable.packages };
      const options = {
        folder,
        readable: [join(folder, "in"), join(folder, "out"), start.progressFolder, ...reachable.readable],
        writable: [...Object.values(start.outputs), start.progressFolder, ...reachable.writable],
        hosts: reachable.hosts,
        grants: device,
        timeoutMs: stage.timeoutMs,
        memoryLimit: memoryLimitOf(planned),
        env: order.gpus.length > 0 ? { CUDA_VISIBLE_DEVICES: order.gpus.join(",") } : {},
        stop,
        kill: order.kill,
        emit: order.emit,
        log: order.log,
      };
      return program.kind === "module" ? await runInChild(program, told, options) : await runCommand(program, told, {
        ...options,
        ...{ home: pipeline.folder, project: projectOf(pipeline.folder), store: store.root, spread: order.spread },
        ...{ cpus: stage.resources.cpu, data: (start.params as FoundCommand).data },
      });
    } finally {
      if (restoreMetadata(folder).length > 0) order.emit({ type: "warn", message: CHANGED_WHAT_IT_READS });
    }
  }

  [Symbol.dispose](): void {
    this.#free.splice(0).forEach(removeQuietly);
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

/**
 * Returns an error for a store that the processes of stages cannot reach: Deno gives a process with restricted
 * permissions no access below /dev, /proc and /sys, whatever the permissions are.
 */
export function findClosedStore({ actions }: Plan, { root }: Store): Diagnostic | undefined {
  const starts = [...actions.values()].some((planned) => planned.program.kind !== "inline" && mayRun(planned));
  if (!starts || !/^\/(?:dev|proc|sys)\//.test(root)) return undefined;
  const message = `Cannot keep the store at ${root}: Deno gives the processes of stages no access there`;
  const fix = "give a folder elsewhere with --store; a tmpfs may be mounted anywhere";
  return errorOf("file-unreadable", message, fix);
}
