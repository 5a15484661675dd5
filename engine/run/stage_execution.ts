import { definedOnly } from "../../std/defined_only.ts";
import { externalPaths, withPaths } from "../keys/externals.ts";
import { partsOf } from "../keys/action.ts";
import { type Binding, hasCurve, isGuest } from "../keys/stage.ts";
import { isForced, type PlannedAction } from "../plan/plan.ts";
import type { Planner } from "../plan/planner.ts";
import { StageLog } from "../process/lines.ts";
import {
  type InputMessage,
  type StageEvent,
  type StageOutcome,
  type StartMessage,
  throttleProgress,
} from "../process/protocol.ts";
import { makeFolder } from "../store/files.ts";
import { progressFolder, pruneStates, savedSteps } from "../store/progress.ts";
import { inside } from "../store/write_roots.ts";
import { CurveKeeper, curvePlace } from "./curve.ts";
import type { ExecutionOptions, Workspace } from "./executor.ts";
import { type ExternalInputChecker, fetchesFiles } from "./external_inputs.ts";
import { refusePreview } from "./previews.ts";
import { ProgressWriter, type RateMeter } from "./progress_reporting.ts";
import type { HeldSlots } from "./slots.ts";

/** The most notes of one stage before the rest is only logged: a loop of notes must not drown the others. */
const MAX_NOTES = 1_000;

/** Tells the program of an action what it is given, and a run what the program says. Nothing is published here. */
export class StageExecution {
  /** The bytes that are left for previews. */
  #room = 64 << 20;

  constructor(private readonly options: ExecutionOptions & { readonly planner: Planner }) {}

  /** Lays out the files that the stage may see, and describes them in one message. */
  prepare(planned: PlannedAction, workspace: Workspace): StartMessage {
    const { store, planner, pipeline } = this.options;
    const { folder } = workspace;
    const { stage, share, keys, device } = planned;
    const layOut = (name: string) => (binding: Pick<Binding, "stage" | "port">, index: number): InputMessage => {
      const artifact = planner.settled.get(binding.stage)!.outputs[binding.port]!;
      return { ...artifact, folder: workspace.layOut(artifact.files, name, index) };
    };
    const inputs: Record<string, InputMessage | InputMessage[] | null> = {};
    for (const port of Object.keys(stage.kind.inputs)) {
      const messages = (stage.inputs[port] ?? []).map(layOut(port));
      inputs[port] = stage.kind.inputs[port]!.list === true ? messages : messages[0] ?? null;
    }
    const outputs: Record<string, string> = Object.create(null);
    for (const port of Object.keys(planned.outputs)) {
      outputs[port] = inside(folder, "out", port);
      makeFolder(outputs[port]);
    }
    return {
      params: withPaths(stage, externalPaths(stage, pipeline.folder)),
      seed: stage.kind.seeded ? stage.seed : 0,
      inputs,
      outputs,
      ...definedOnly({ share }),
      // No port's name has a `-`.
      parts: partsOf(planned).map(layOut("-parts")),
      // A forced stage starts at 0 and leaves existing progress as it is.
      progressFolder: isForced(planned)
        ? inside(folder, "progress")
        : progressFolder(store.paths.progress, keys!.identityKey, device?.numerics),
      progressLimit: stage.extent ?? Number.MAX_SAFE_INTEGER,
      device: device && { name: device.name, numerics: device.numerics },
      definitions: stage.kind.userCode.flatMap(({ sort, uses, digest }) => {
        return sort === "stage" ? [] : [{ sort, uses, code: digest }];
      }),
      ...hasCurve(stage.kind) && { sendsAll: true },
      packages: {},
      externals: keys!.ingredients.externals,
      downloads: fetchesFiles(stage) ? store.paths.downloads : undefined,
    };
  }

  /**
   * Executes the program of an action.
   * @param rate receives the stage's progress
   * @param watcher is notified when the stage saves, and stops the stage when its work is in vain
   */
  async execute(
    planned: PlannedAction,
    start: StartMessage,
    workspace: Workspace,
    held: HeldSlots,
    { rate, watcher }: { readonly rate: RateMeter; readonly watcher?: ExternalInputChecker },
  ): Promise<StageOutcome> {
    const { store, runId, kill, emit } = this.options;
    const { id, work } = planned;
    using log = new StageLog((text) => store.runs.log(runId, id, text));
    using live = new ProgressWriter(store.runs, runId, id, rate);
    let [notes, previews, said] = [0, 0, false];
    const forward = (event: StageEvent) => {
      if (event.type === "progress") {
        live.note(event.update);
        const perSecond = rate.perSecond()[event.update.unit] ?? null;
        emit({ type: "stage-progress", id, update: event.update, perSecond });
      } else if (event.type === "saved") {
        if (watcher !== undefined && workspace.canBeStopped) watcher.check();
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
      } else if ("message" in event) {
        log.add(`${event.type}: ${event.message}`);
        if (++notes > MAX_NOTES) return;
        emit({ type: "stage-note", id, level: event.type, message: event.message });
        if (notes < MAX_NOTES) return;
        emit({ type: "stage-note", id, level: "note", message: "further notes are only in the log" });
      }
    };
    for (const message of work.notes ?? []) forward({ type: "note", message });
    const { kind } = planned.stage;
    const curve = hasCurve(kind) ? new CurveKeeper(start.progressFolder, start.progressLimit) : undefined;
    const { emit: send, flush } = throttleProgress(forward);
    const hear = (event: StageEvent) => {
      curve?.note(event);
      send(event);
    };
    const outcome = await workspace.execute({
      start,
      gpus: held.gpus,
      emit: isGuest(kind) ? hear : forward,
      log,
      kill: AbortSignal.any([kill, watcher?.edited, curve?.broken].filter((one) => one !== undefined)),
    });
    flush();
    curve?.close(curvePlace(workspace.folder));
    return outcome;
  }
}
