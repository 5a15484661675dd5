import { join } from "node:path";
import type { EngineEvent } from "../../../../engine/run/events.ts";
import type { RunOptions } from "../../../../engine/run/run_options.ts";
import { runPipeline } from "../../../../engine/run/run_pipeline.ts";
import type { PlannedAction } from "../../../../engine/plan/plan.ts";
import { Planner, type PlanOptions } from "../../../../engine/plan/planner.ts";
import { openStore } from "../../../../engine/store/store.ts";
import { grantsIn } from "./grants.ts";
import { loadGood } from "./load.ts";
import type { TINY_KINDS } from "./tiny_kinds.ts";

interface More {
  readonly set?: string[];
  readonly kinds?: typeof TINY_KINDS;
}

const storeOf = (folder: string) => openStore(join(folder, ".noiseline"));

/** Plans a pipeline in a folder, as a new process would. */
export async function planIn(folder: string, yaml: string, options: PlanOptions & More = {}) {
  const planner = Planner.make(await loadGood(folder, yaml, options.set, options.kinds), storeOf(folder), options);
  if (!planner.ok) throw new Error(planner.diagnostics.map(({ message }) => message).join("\n"));
  return (await planner.value.plan()).actions;
}

/** Returns the problems of a plan that must not run. */
export async function refusalOf(folder: string, yaml: string, options: RunOptions = {}) {
  const result = await runPipeline(await loadGood(folder, yaml), storeOf(folder), {
    grants: grantsIn(folder),
    ...options,
  });
  if (result.ok) throw new Error(`It runs: ${yaml}`);
  return result.diagnostics;
}

/** Runs a pipeline in a folder, as a new process would. */
export async function runIn(folder: string, yaml: string, options: RunOptions & More = {}) {
  const events: EngineEvent[] = [];
  const pipeline = await loadGood(folder, yaml, options.set, options.kinds);
  const emit = (event: EngineEvent) => {
    events.push(event);
    options.emit?.(event);
  };
  const result = await runPipeline(pipeline, storeOf(folder), { grants: grantsIn(folder), ...options, emit });
  if (!result.ok) throw new Error(result.diagnostics.map(({ message }) => message).join("\n"));
  return { ...result.value, events };
}

type Summary = Awaited<ReturnType<typeof runIn>>;

/** `a: ran, b: cached` */
export function endStates({ actions }: Summary): string {
  return [...actions].map(([id, { state }]) => `${id}: ${state}`).sort().join(", ");
}

/** Returns the digest of each stage's output. */
export function digestsOf({ stages }: Summary): Record<string, string | undefined> {
  const entries = Array.from(stages, ([id, { manifest }]) => [id, manifest?.outputs["out"]?.digest] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => a < b ? -1 : 1));
}

/** `a: run (new), b: may-run (upstream)` */
export function planned(stages: ReadonlyMap<string, PlannedAction>): string {
  return [...stages].map(([id, { state, fromStep, reasons }]) => {
    const why = reasons.map(({ code }) => code).join("+");
    return `${id}: ${state}${fromStep === undefined ? "" : ` from ${fromStep}`}${why === "" ? "" : ` (${why})`}`;
  }).join(", ");
}
