import { definedOnly } from "../std/defined_only.ts";
import { formatDiagnostic } from "./diagnostic/format.ts";
import { refuse, type Result } from "./diagnostic/diagnostic.ts";
import { loadPipeline } from "./pipeline/load/load_pipeline.ts";
import { selectStages } from "./pipeline/pipeline.ts";
import type { PlannedState } from "./plan/plan.ts";
import { Planner } from "./plan/planner.ts";
import type { EngineEvent, RunStatus, StageEndState } from "./run/events.ts";
import { runPipeline as runLoaded } from "./run/run_pipeline.ts";
import { Grants, learnVersions } from "./run/rights.ts";
import { findStoreRoot, openStore } from "./store/store.ts";

/** Options for reading a pipeline. */
export interface PipelineOptions {
  /** Values that replace those of the file, as `count.limit=10`. */
  readonly set?: readonly string[];
  /** Profiles of the file to apply, in order. */
  readonly profiles?: readonly string[];
  /** Stages to reach, with those that they need. Default: all. */
  readonly targets?: readonly string[];
  /** Folder of the results. Default: `.noiseline` beside the file. */
  readonly store?: string;
}

/** The plan for a stage. */
export interface PlannedStage {
  /** The planned outcome. */
  readonly state: PlannedState;
  /** Why: `new`, `param`, `input`, `code`, `external`, `upstream`, `forced`, `output-missing` and others. */
  readonly reasons: readonly string[];
}

/** An event of a run, for progress. */
export interface RunEvent {
  /** `progress` comes as often as the stage reports. */
  readonly type: "started" | "progress" | "finished" | "note" | "warning";
  /** The stage that the event is about; absent for the run as a whole. */
  readonly stage?: string;
  /** Units of work that are done. */
  readonly done?: number;
  /** Units of work in all. */
  readonly total?: number;
  /** How the stage ended. */
  readonly state?: StageEndState;
  /** Text for people. */
  readonly message?: string;
}

/** Options of a run. */
export interface RunOptions extends PipelineOptions {
  /** Called with each event. */
  readonly onEvent?: (event: RunEvent) => void;
  /** Abort this signal to let stages save and end. */
  readonly stop?: AbortSignal;
  /** Stages that run at the same time. Default: one for each processor. */
  readonly jobs?: number;
  /** True to go on with stages that do not depend on one that failed. */
  readonly keepGoing?: boolean;
  /** True to grant the stages all permissions that their definitions ask for. Default: those granted before. */
  readonly grant?: boolean;
}

/** How a stage ended. */
export interface StageResult {
  /** `cached`, `restored` and `ran` have a result. */
  readonly state: StageEndState;
  /** Why the stage failed. */
  readonly message?: string;
  /** The digest of each output's content, by port; absent without a result. */
  readonly digests?: Readonly<Record<string, string>>;
  /** The folder in `outputs/` that shows the result, with a folder for each port if there are several. */
  readonly folder?: string;
}

/** How a run ended. */
export interface RunResult {
  /** `failed` if any stage failed. */
  readonly status: RunStatus;
  /** How each stage ended, by id. */
  readonly stages: Readonly<Record<string, StageResult>>;
}

function valueOf<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new Error(result.diagnostics.map((one) => formatDiagnostic(one)).join("\n"));
}

async function open(file: string, { set = [], profiles = [], targets = [], store }: PipelineOptions) {
  const loaded = valueOf(await loadPipeline(file, { kinds: {}, overrides: set, profiles }));
  const pipeline = await learnVersions(loaded, new Grants(loaded.folder));
  const { stages, problems } = selectStages(pipeline, targets);
  if (problems.length > 0) valueOf(refuse(problems));
  return { pipeline, targets: stages, store: openStore(store ?? findStoreRoot(pipeline.folder)) };
}

export async function planPipeline(file: string, options: PipelineOptions): Promise<Record<string, PlannedStage>> {
  const { pipeline, store, targets } = await open(file, options);
  const { stages } = await valueOf(Planner.make(pipeline, store, { targets })).plan();
  return Object.fromEntries(
    stages.entries().map(([id, { state, reasons }]) => {
      return [id, { state, reasons: reasons.map(({ code }) => code) }];
    }),
  );
}

export async function runPipeline(file: string, options: RunOptions): Promise<RunResult> {
  const { pipeline, store, targets } = await open(file, options);
  const { onEvent, stop, jobs, keepGoing, grant } = options;
  const emit = (event: EngineEvent) => eventOf(event).forEach((one) => onEvent?.(one));
  const asked = grant === true ? { askForGrants: () => Promise.resolve(true) } : {};
  const run = valueOf(
    await runLoaded(pipeline, store, { targets, emit, ...asked, ...definedOnly({ stop, jobs, keepGoing }) }),
  );
  const views = store.viewsOf(pipeline.name);
  const stages = run.stages.entries().map(([id, { state, message, manifest }]) => {
    const outputs = Object.entries(manifest?.outputs ?? {}).map(([port, { digest }]) => [port, digest] as const);
    const shown = manifest && { digests: Object.fromEntries(outputs), folder: views.folderOf(id) };
    return [id, { ...definedOnly({ state, message }), ...shown }] as const;
  });
  return { status: run.status, stages: Object.fromEntries(stages) };
}

function eventOf(event: EngineEvent): RunEvent[] {
  switch (event.type) {
    case "stage-started":
      return [{ type: "started", stage: event.id }];
    case "stage-progress":
      return [{ type: "progress", stage: event.id, done: event.update.done, total: event.update.total }];
    case "stage-finished":
      return [{ type: "finished", stage: event.id, ...definedOnly({ state: event.state, message: event.message }) }];
    case "stage-note":
      return [{ type: event.level === "warn" ? "warning" : "note", stage: event.id, message: event.message }];
    case "note":
      return [{ type: "note", message: event.message }];
    case "warning":
      return [{ type: "warning", message: formatDiagnostic(event.diagnostic) }];
    default:
      return [];
  }
}
