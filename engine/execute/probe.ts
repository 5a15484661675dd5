import { join } from "node:path";
import { encode } from "../fingerprint/encode.ts";
import type { Pipeline } from "../pipeline.ts";
import { type Forecast, forecastPlan } from "../plan/forecast.ts";
import { askedAbout, lookAhead, type Outlook } from "../plan/outlook.ts";
import type { Plan, PlannedStage } from "../plan/plan.ts";
import type { Capacity } from "../plan/total.ts";
import { runInChild } from "../process/child.ts";
import { installPackages } from "../process/install.ts";
import { makeTemporaryFolder } from "../store/folders.ts";
import { machineClass } from "../store/machine.ts";
import type { Store } from "../store/store.ts";
import { RateMeter } from "./rate.ts";

/** Less than this the slowest device does within a day: a few steps are not worth a question. */
const MATTERS_GFLOP = 100_000;
/** What is not done by then is slow enough to say so. */
const PROBE_MS = 60_000;

export interface ProbeOptions {
  readonly capacity: Capacity;
  readonly say: (message: string) => void;
  readonly stop: AbortSignal;
  readonly kill: AbortSignal;
}

/**
 * What to expect of a run. Where no past run tells how long a stage takes, and it may be days, a few steps of its work
 * are done, the largest first, until it is known that the run takes long. What they took is kept as a timing, so that
 * plans know it too.
 */
export async function foresee(plan: Plan, store: Store, options: ProbeOptions): Promise<Outlook> {
  const tried = new Set<string>();
  while (true) {
    const forecasts = forecastPlan(plan, store);
    const outlook = lookAhead(plan, forecasts, options.capacity);
    const next = options.stop.aborted || outlook.long !== undefined
      ? undefined
      : largestUnknown(plan, forecasts, tried);
    if (next === undefined) return outlook;
    tried.add(next.name);
    const { stages } = next;
    options.say(`trying a few steps of ${stages[0]!.stage.id}, since nothing like it has run here`);
    const took = await measure(stages[0]!, options);
    if (took !== undefined) keep(took, stages, { pipeline: plan.pipeline, store });
    else if (!options.stop.aborted) options.say("that failed; how long it takes is not known");
  }
}

/** Stages that one probe tells about. */
interface Alike {
  readonly name: string;
  readonly stages: readonly PlannedStage[];
}

function largestUnknown(
  plan: Plan,
  forecasts: ReadonlyMap<string, Forecast>,
  tried: ReadonlySet<string>,
): Alike | undefined {
  const unknown = askedAbout(plan).filter(({ stage, device }) =>
    stage.probe !== undefined && device !== undefined && forecasts.get(stage.id)?.known === false
  );
  const groups = Map.groupBy(
    unknown,
    ({ stage, device }) => encode([stage.probe!.entry, stage.probe!.params, device!.numerics]),
  );
  const sizes = [...groups].filter(([name]) => !tried.has(name)).map(([name, stages]) => {
    return { name, stages, gflop: stages.reduce((sum, { stage }) => sum + stage.workGflop!, 0) };
  });
  return sizes.filter(({ gflop }) => gflop > MATTERS_GFLOP).sort((a, b) => b.gflop - a.gflop)[0];
}

interface Took {
  readonly workGflop: number;
  readonly overheadMs: number;
  readonly durationMs: number;
}

/** @returns undefined where it failed: then the run itself tells why */
async function measure({ stage, device }: PlannedStage, { say, stop, kill }: ProbeOptions): Promise<Took | undefined> {
  const { entry, params, stepGflop } = stage.probe!;
  if (await installPackages(entry, undefined, say, stop) !== undefined) return undefined;
  const folder = await makeTemporaryFolder();
  const rate = new RateMeter();
  let steps = 0;
  const started = performance.now();
  try {
    const { threads } = stage.params;
    const start = {
      params: { ...params, ...(threads === undefined ? {} : { threads }) },
      seed: 0,
      inputs: {},
      outputs: {},
      progressFolder: join(folder, "progress"),
      progressLimit: 0,
      device: { name: device!.name, numerics: device!.numerics },
      packages: {},
      downloads: null,
    };
    const { status } = await runInChild({ ...stage.kind, entry }, start, {
      folder,
      readable: [start.progressFolder],
      writable: [start.progressFolder],
      hosts: [],
      grants: await device!.grants(),
      timeoutMs: PROBE_MS,
      memoryLimit: undefined,
      env: {},
      stop,
      // It has nothing to save.
      kill: AbortSignal.any([stop, kill]),
      emit: (event) => {
        if (event.type !== "progress") return;
        rate.note(event.update);
        steps = event.update.done;
      },
      log: () => {},
    });
    const durationMs = performance.now() - started;
    if (status !== "complete" && status !== "timeout") return undefined;
    // Who did not come to a second step is at least as slow as if it had done the first one all the time.
    const overheadMs = rate.overheadMs(durationMs, 0) ?? 0;
    return { workGflop: Math.max(1, steps) * stepGflop, overheadMs, durationMs };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function keep(
  took: Took,
  stages: readonly PlannedStage[],
  { pipeline, store }: { readonly pipeline: Pipeline; readonly store: Store },
): void {
  for (const { stage, device } of new Map(stages.map((one) => [one.stage.likeness, one])).values()) {
    store.timings.add({
      pipeline: pipeline.name,
      stage: stage.id,
      kind: stage.kind.name,
      numerics: device!.numerics,
      machine: machineClass(),
      workShape: stage.workShape ?? null,
      likeness: stage.likeness ?? null,
      extent: null,
      fromStep: null,
      probe: true,
      ...took,
    });
  }
}
