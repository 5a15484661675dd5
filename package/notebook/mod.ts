/**
 * Pipelines and their results in a notebook of Deno's Jupyter kernel (`deno jupyter --install`): runs show their
 * progress, and images, figures, curves and pages show themselves.
 *
 * @example Run a pipeline, look at its samples, and plan another run
 * ```ts ignore
 * import { openRun, plan, run } from "@noiseline/noiseline/notebook";
 *
 * await run("pipelines/digits.yaml", { set: { "train.steps": 1400 } });
 * const digits = await openRun("digits");
 * digits.images.sample;
 * await plan("pipelines/digits.yaml", { set: { "sample.count": 16 } });
 * ```
 *
 * @module
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { ensureLocalCopy, programArgs } from "../files.ts";
import { suggestName } from "../../std/did_you_mean.ts";
import { openRun, type Run } from "./results.ts";
import { display, placeInCell, type Shown, tableOf } from "./shown.ts";

export { openRun, type Run, type RunCurve, type RunImages } from "./results.ts";
export { display, type Forms, type Shown } from "./shown.ts";
export type { Metric } from "../../schemas/types.ts";

/** Options of a plan. */
export interface PlanOptions {
  /** Values that replace those of the file, by path: `{ "train.steps": 1400 }`. */
  readonly set?: Readonly<Record<string, unknown>>;
  /** Profiles of the file to apply, in order. */
  readonly profiles?: readonly string[];
  /** Stages to reach, with those that they need. Default: all. */
  readonly stages?: readonly string[];
}

/** Options of a run. */
export interface RunOptions extends PlanOptions {
  /** Rights to grant to custom stages, as `--grant` takes them: `count:net=example.com`. */
  readonly grant?: readonly string[];
  /** Stages that run at the same time. Default: one for each processor. */
  readonly jobs?: number;
}

/** The plan of a run. A notebook shows a table. */
export interface Plan extends Shown {
  /** By stage: `cached`, `run`, `extend` and others, and why. */
  readonly stages: Readonly<Record<string, { readonly state: string; readonly reasons: readonly string[] }>>;
}

/**
 * Finds out what a run would do with each stage, and why. Writes nothing.
 * @throws Error with all problems of the file
 */
export async function plan(file: string, options: PlanOptions = {}): Promise<Plan> {
  const printed = await call(["plan", file, ...flagsOf(options)]);
  const planned = JSON.parse(printed ?? '{"stages":[]}') as {
    stages: { id: string; state: string; reasons: { code: string }[] }[];
  };
  const stages = planned.stages.map(({ id, state, reasons }) => {
    return [id, { state, reasons: reasons.map(({ code }) => code) }] as const;
  });
  const rows = stages.map(([id, { state, reasons }]) => [id, state, reasons.join(", ")]);
  return { stages: Object.fromEntries(stages), [display]: () => tableOf(["stage", "state", "why"], rows) };
}

/**
 * Runs the stages of a pipeline whose inputs have changed, and shows progress in the cell. Interrupt the kernel to
 * stop: stages save, and the same call goes on from there.
 *
 * @returns the results, which a notebook shows as the run's page; undefined after an interrupt
 * @throws Error with all problems of the file before anything runs, or with the stages that failed
 */
export async function run(file: string, options: RunOptions = {}): Promise<Run | undefined> {
  const { grant = [], jobs } = options;
  const flags = [...grant.flatMap((one) => ["--grant", one]), ...(jobs === undefined ? [] : ["--jobs", `${jobs}`])];
  const rows = new Map<string, readonly string[]>();
  const show = placeInCell();
  const table = () => show(tableOf(["stage", "state", "progress"], [...rows].map(([id, cells]) => [id, ...cells])));
  let outputs = "";
  let shownAt = 0;
  const end = await call(["run", file, ...flagsOf(options), ...flags], async (event) => {
    outputs = event.outputs ?? outputs;
    const cells = cellsOf(event);
    if (cells !== undefined) rows.set(event.id!, cells);
    const now = performance.now();
    if (cells === undefined || event.type === "stage-progress" && now - shownAt < FRAME_MS) return;
    shownAt = now;
    await table();
  });
  await table();
  return end !== undefined ? await openRun(outputs) : undefined;
}

/** The shortest time in ms between two updates of a cell for progress alone. */
const FRAME_MS = 250;

/** The exit codes of the program. */
const [DONE, INTERRUPTED] = [0, 130];

/** The fields of events that a cell shows. */
interface RunEvent {
  readonly type: string;
  readonly id?: string;
  readonly outputs?: string;
  readonly state?: string;
  readonly message?: string;
  readonly fix?: string;
  readonly update?: { done: number; total: number; unit: string; figures?: Readonly<Record<string, string | number>> };
  readonly perSecond?: number | null;
}

/** Returns the state and progress that an event tells of a stage, if any. */
function cellsOf({ type, state, message, update, perSecond }: RunEvent): readonly string[] | undefined {
  if (type === "stage-started") return ["running", ""];
  if (type === "stage-finished") return [state!, message ?? ""];
  if (type !== "stage-progress") return undefined;
  const { done, total, unit, figures = {} } = update!;
  const left = perSecond && done < total ? `, ${Math.ceil((total - done) / perSecond)} s left` : "";
  const [name, value] = Object.entries(figures)[0] ?? [];
  const figure = name === undefined ? "" : `, ${name} ${typeof value === "number" ? value.toPrecision(4) : value}`;
  return ["running", `${unit} ${done} of ${total}${left}${figure}`];
}

const OPTIONS = ["set", "profiles", "stages", "grant", "jobs"];

/** @throws Error for an option of another name: a notebook checks no types, and would run something else */
function flagsOf(options: RunOptions): string[] {
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
  if (unknown !== undefined) throw new Error(`unknown option ${unknown}. Fix: ${suggestName(unknown, OPTIONS)}`);
  const { set = {}, profiles = [], stages = [] } = options;
  const values = Object.entries(set).flatMap(([path, value]) => ["--set", `${path}=${JSON.stringify(value)}`]);
  return [...stages, ...values, ...profiles.flatMap((name) => ["--profile", name])];
}

/**
 * Calls the program of this toolkit in a process of its own, which an interrupt of the kernel reaches through this one.
 *
 * @param hear gets each event
 * @returns all else that it prints; undefined if it was interrupted
 * @throws Error with all problems, or with the stages that failed
 */
async function call(words: readonly string[], hear: (event: RunEvent) => unknown = () => {}) {
  const args = [...programArgs(await ensureLocalCopy()), ...words, "--json"];
  // A front end interrupts the kernel's whole group of processes; twice would end a run at once.
  const child = spawn(Deno.execPath(), args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
  const closed = new Promise<number>((resolve) => {
    child.on("close", (code, signal) => resolve(signal === "SIGINT" ? INTERRUPTED : code ?? -1));
  });
  const warned = text(child.stderr);
  const interrupt = () => void child.kill("SIGINT");
  Deno.addSignalListener("SIGINT", interrupt);
  const rest: string[] = [];
  const failed: string[] = [];
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      if (!line.startsWith('{"type":')) {
        rest.push(line);
        continue;
      }
      const event = JSON.parse(line) as RunEvent;
      const { id, state, message, fix } = event;
      if (state === "failed") failed.push(`${id}: ${message}${fix === undefined ? "" : `; fix: ${fix}`}`);
      await hear(event);
    }
    const code = await closed;
    if (code === INTERRUPTED) return undefined;
    if (code === DONE) return rest.join("\n");
    throw new Error(problemsIn(rest.join("\n")) ?? (failed.join("\n") || `exit code ${code}. ${await warned}`));
  } finally {
    Deno.removeSignalListener("SIGINT", interrupt);
  }
}

/** Returns the problems that the program printed, a line each. */
function problemsIn(printed: string): string | undefined {
  if (!printed.startsWith("{")) return undefined;
  const { diagnostics = [] } = JSON.parse(printed) as { diagnostics?: Readonly<Record<string, string>>[] };
  return diagnostics.map(({ file, line, message, got, wanted, fix }) => {
    const place = file === undefined ? "" : `${file}${line === undefined ? "" : `:${line}`}: `;
    const details = Object.entries({ got, wanted, fix }).filter(([, value]) => value !== undefined);
    return `${place}${message}${details.map(([name, value]) => `; ${name}: ${value}`).join("")}`;
  }).join("\n");
}
