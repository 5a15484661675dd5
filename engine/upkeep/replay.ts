import { join } from "node:path";
import type { ResultManifest } from "../../schemas/records.ts";
import { type Diagnostic, errorOf, refuse, succeed, type ValueOf } from "../diagnostic/diagnostic.ts";
import { slotsOf } from "../plan/wanted_slots.ts";
import type { Emit } from "../run/events.ts";
import type { RunOptions } from "../run/run_options.ts";
import { commandFor } from "../pipeline/command_for.ts";
import { capacityOf, findGpus, Slots } from "../run/slots.ts";
import { curveIn } from "../run/curve.ts";
import { LocalExecutor } from "../run/local_executor.ts";
import { StageExecution } from "../run/stage_execution.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { PlannedAction } from "../plan/plan.ts";
import { Planner } from "../plan/planner.ts";
import { folderArtifact } from "../process/context.ts";
import type { StageOutcome } from "../process/protocol.ts";
import { tryExclusiveLock } from "../store/locks.ts";
import { copyState, progressFolder, savedSteps } from "../store/progress.ts";
import type { Store } from "../store/store.ts";
import { newRunId } from "../store/run_ids.ts";
import { RateMeter } from "../run/progress_reporting.ts";
import { Grants } from "../run/rights.ts";

interface ReplayOptions extends Pick<RunOptions, "emit" | "stop" | "kill"> {
  /** Called with the step that the stage starts from. */
  readonly onStart?: (fromStep: number) => void;
}

export type Replay = Readonly<ValueOf<typeof replayStage>>;

/**
 * Executes a stage again from a saved state that is older than its result, outside the store, and compares the bytes.
 * The recorded result stays as it is, whatever the outcome.
 *
 * @returns how the stage ended, and the last step that it was seen to take; the ports say nothing unless the outcome is
 * `complete`, and prove nothing unless a step was taken: a stage without an extent may start from the state after its
 * last step
 */
export async function replayStage(pipeline: Pipeline, store: Store, id: string, options: ReplayOptions = {}) {
  const { emit = () => {}, onStart, stop = NEVER, kill = NEVER } = options;
  const prepared = store.prepare();
  if (!prepared.ok) return prepared;
  using _inUse = await store.guards.markInUse();
  using still = new DisposableStack();
  still.use(await store.guards.acquireSharedGcLock());
  const made = Planner.make(pipeline, store, { targets: [id], force: new Set([id]) });
  if (!made.ok) return made;
  const planner = made.value;
  const planned = (await planner.plan()).stages.get(id)!;
  const again = commandFor("run", { ...pipeline, store }, "--force", id);
  const manifest = findResult(planner, planned, store, again);
  if ("message" in manifest) return refuse([manifest]);

  const runId = newRunId(new Date(), Deno.pid);
  let toStep = 0;
  const watch: Emit = (event) => {
    toStep = Math.max(toStep, "update" in event ? event.update.done : "step" in event ? event.step : 0);
    emit(event);
  };
  const own = { pipeline, store, runId, emit: watch, stop, kill, grants: new Grants(pipeline.folder) };
  using executor = new LocalExecutor(own);
  const workspace = await executor.open(planned, `${runId}-verify`);
  try {
    const progress = join(workspace.folder, "progress");
    const fromStep = await copyEarlierState(planned, manifest, { store, again, to: progress });
    if (typeof fromStep !== "number") return refuse([fromStep]);
    onStart?.(fromStep);
    const gpus = findGpus();
    using held = await new Slots({ ...capacityOf({ jobs: 1, gpus }), gpus }).take(slotsOf(planned), stop);
    toStep = manifest.extent ?? fromStep;
    const execution = new StageExecution({ ...own, planner });
    const start = { ...execution.prepare(planned, workspace), progressFolder: progress };
    // Its inputs lie in the folder now.
    still.dispose();
    const outcome: StageOutcome = held === undefined
      ? { status: "interrupted", step: 0 }
      : await execution.execute(planned, start, workspace, held, { rate: new RateMeter() });
    const { resolvedKey, numerics, extent } = manifest;
    const compared = outcome.status === "complete" ? Object.entries(manifest.outputs) : [];
    const ports = compared.map(([port, { type, digest }]) => {
      const folder = { ...start.outputs, ...curveIn(workspace.folder) }[port];
      return { port, recorded: digest, replayed: folder === undefined ? "" : folderArtifact(folder, type).digest };
    });
    return succeed({ stage: id, resolvedKey, numerics, fromStep, toStep, extent, outcome, ports });
  } finally {
    workspace.close(false);
  }
}

const NEVER = new AbortController().signal;

const problem = (message: string, fix: string): Diagnostic => errorOf("check", message, fix);

/** Returns the recorded result of a stage, if this machine can say anything about its bytes. */
function findResult(planner: Planner, planned: PlannedAction, store: Store, again: string) {
  const { id, division: { shards } } = planned;
  if (shards !== undefined) {
    const fix = `to execute them again and compare the bytes: ${again}`;
    return problem(`"${id}" is joined of ${shards} shards, and has no saved states of its own`, fix);
  }
  const { resolvedKey = "", formerKey = "" } = planned.keys ?? {};
  const manifest = store.results.byResolved(resolvedKey) ?? store.results.byResolved(formerKey);
  const { keep } = planner.planAction(id, false);
  if (keep !== undefined) {
    const message = `"${id}" has a result of other code, which ${keep.by} kept on ${keep.at}: nothing can be compared`;
    return problem(message, "take that back with `keep --undo`, and run the stage");
  }
  if (manifest === undefined) {
    return problem(
      `"${id}" has no result yet of its code, params and inputs as they are now`,
      "run the pipeline first",
    );
  }
  if (planned.problem !== undefined) return planned.problem;
  const numerics = planned.device?.numerics ?? null;
  if (numerics !== manifest.numerics) {
    const message = `"${id}" was computed on ${manifest.numerics}, and would be on ${numerics} now`;
    return problem(`${message}: their bytes may differ`, "use the device it was computed on; `why` shows it");
  }
  for (const binding of Object.values(planned.stage.inputs).flat()) {
    const artifact = planner.settled.get(binding.stage)!.outputs[binding.port]!;
    const broken = artifact.files.find((file) => !store.objects.verify(file));
    if (broken === undefined) continue;
    return problem(`${binding.stage}.${binding.port}, which "${id}" reads, is damaged: ${broken.path}`, "run it again");
  }
  return manifest;
}

/**
 * Copies the oldest good state before the result's end: the more steps are executed again, the more is proven.
 * @returns the step of that state
 */
async function copyEarlierState(
  planned: PlannedAction,
  manifest: ResultManifest,
  { store, again, to }: { readonly store: Store; readonly again: string; readonly to: string },
) {
  const from = progressFolder(store.paths.progress, manifest.identityKey, planned.device?.numerics);
  const end = manifest.extent ?? Infinity;
  // A run that works on the stage removes old states as it goes.
  using lock = tryExclusiveLock(store.lockPath(manifest.identityKey));
  if (lock === undefined) return problem(`a run is working on "${planned.id}"`, "wait until it ends");
  for (const step of savedSteps(from).filter((step) => step > 0 && step < end).reverse()) {
    // A damaged state would start the stage at 0, which proves something else.
    if (await copyState(from, to, step)) return step;
  }
  const fix =
    "stages that save as they go keep their newest two states; to execute it from the start and compare the " +
    `bytes: ${again}`;
  const at = manifest.extent === null ? "" : ` at step ${end}`;
  return problem(`"${planned.id}" has no saved state from before its end${at}`, fix);
}
