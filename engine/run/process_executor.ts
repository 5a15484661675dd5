import { join } from "node:path";
import { externalPaths, withPaths } from "../keys/externals.ts";
import type { Action } from "../keys/action.ts";
import type { CommandProgram, ModuleProgram } from "../keys/program.ts";
import type { PlannedAction } from "../plan/plan.ts";
import type { WorkerOptions } from "../process/child.ts";
import { installPackages } from "../process/install.ts";
import type { StageOutcome, StartMessage } from "../process/protocol.ts";
import { notGranted, requestsOf } from "./rights.ts";
import { defaultMemoryLimit, parseMemory } from "../process/runtime.ts";
import { removeQuietly } from "../store/files.ts";
import { makeDurableFolder } from "../store/folders.ts";
import { isTooLargeToCopy, restoreMetadata, snapshotMetadata } from "../store/metadata_guard.ts";
import { inside } from "../store/write_roots.ts";
import { cannotFetch, fetchesFiles, prepareExternalInputs } from "./external_inputs.ts";
import type { ExecutionOptions, Order, Workspace } from "./executor.ts";

/** Starts a program, and waits for its end. */
type Run = (start: StartMessage, options: WorkerOptions) => Promise<StageOutcome>;

/** Runs each program in a process of its own, in a fresh folder, with the rights that the user has granted. */
export class ProcessExecutor {
  constructor(private readonly options: ExecutionOptions) {}

  /** @param run starts the program; the rights, the folders and the limits are the same for all programs */
  open(program: ModuleProgram | CommandProgram, planned: PlannedAction, name: string, run: Run): Workspace {
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
      execute: (order) => this.#execute({ program, run }, planned, folder, order),
      close: () => removeQuietly(folder),
    };
  }

  async #execute(
    { program, run }: { readonly program: ModuleProgram | CommandProgram; readonly run: Run },
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
      return await run(told, options);
    } finally {
      if (restoreMetadata(folder).length > 0) order.emit({ type: "warn", message: CHANGED_WHAT_IT_READS });
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
