import { join } from "node:path";
import { askedAbout, type Capacity, forecastPlan, lookAhead, type Outlook } from "../plan/forecast.ts";
import type { Plan, PlannedStage } from "../plan/plan.ts";
import { runInChild } from "../process/child.ts";
import { installPackages } from "../process/install.ts";
import { makeTemporaryFolder } from "../store/folders.ts";
import type { Store } from "../store/store.ts";
import { RateMeter, recordTiming } from "./pace.ts";

/** Less than this the slowest device does within a day: a few steps are not worth a question. */
const MATTERS_GFLOP = 100_000;
/** What is not done by then is slow enough to say so. */
const PROBE_MS = 60_000;

export interface ProbeOptions {
  readonly capacity: Capacity;
  readonly say: (message: string) => void;
  readonly stop: AbortSignal;
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
    const unknown = askedAbout(plan).filter(({ stage, device }) =>
      stage.probe !== undefined && device !== undefined && forecasts.get(stage.id)?.known === false
    );
    const [largest] = unknown.filter((one) => one.stage.workGflop! > MATTERS_GFLOP && !tried.has(probeName(one)))
      .sort((a, b) => b.stage.workGflop! - a.stage.workGflop!);
    if (largest === undefined || outlook.long !== undefined || options.stop.aborted) return outlook;
    const name = probeName(largest);
    tried.add(name);
    options.say(`trying a few steps of ${largest.stage.id}, since nothing similar has run here`);
    const took = await measure(largest, options);
    if (took === undefined && !options.stop.aborted) options.say("that failed; the time is unknown");
    for (const one of took === undefined ? [] : unknown.filter((each) => probeName(each) === name)) {
      recordTiming(store, plan.pipeline, one, { ...took!, extent: null, probe: true });
    }
  }
}

/** The same for stages that one probe tells about. */
function probeName({ stage, device }: PlannedStage): string {
  return JSON.stringify([stage.probe, device!.numerics]);
}

/** What a probe reads, writes and goes on from. */
const NOTHING = { seed: 0, inputs: {}, outputs: {}, progressLimit: 0, packages: {}, externals: {} };
const BARE = { hosts: [], env: {}, memoryLimit: undefined, timeoutMs: PROBE_MS, log: () => {} };

/** @returns undefined where it failed: then the run itself tells why */
async function measure({ stage, device }: PlannedStage, { say, stop }: ProbeOptions) {
  const { entry, params, stepGflop } = stage.probe!;
  if (await installPackages({ entry }, say, stop) !== undefined) return undefined;
  const { name, numerics, grants } = device!;
  await using temporary = await makeTemporaryFolder();
  const { folder } = temporary;
  const progressFolder = join(folder, "progress");
  const rate = new RateMeter();
  let steps = 0;
  const started = performance.now();
  const own = { params: { ...params, threads: stage.params["threads"] }, progressFolder, device: { name, numerics } };
  const { status } = await runInChild({ ...stage.kind, entry }, { ...NOTHING, ...own, downloads: undefined }, {
    ...BARE,
    folder,
    readable: [progressFolder],
    writable: [progressFolder],
    grants: await grants(),
    stop,
    // It has nothing to save.
    kill: stop,
    emit: (event) => {
      if (event.type !== "progress") return;
      rate.note(event.update);
      steps = event.update.done;
    },
  });
  const durationMs = performance.now() - started;
  if (status !== "complete" && status !== "timeout") return undefined;
  // Who did not come to a second step is at least as slow as if it had done the first one all the time.
  return { workGflop: Math.max(1, steps) * stepGflop, overheadMs: rate.overheadMs(durationMs, 0) ?? 0, durationMs };
}
