import { join } from "node:path";
import {
  type Capacity,
  forecastPlan,
  type Outlook,
  stagesNeedingConsent,
  summariseForecasts,
} from "../plan/forecast.ts";
import type { Plan, PlannedAction } from "../plan/plan.ts";
import { runInChild } from "../process/child.ts";
import { StageLog } from "../process/lines.ts";
import { installPackages } from "../process/install.ts";
import { makeTemporaryFolder } from "../store/folders.ts";
import type { Store } from "../store/store.ts";
import { RateMeter, recordTiming } from "./progress_reporting.ts";

/**
 * The least work, in Gflop, that is probed. The slowest device does less than this within a day, so that asking is not
 * worth while.
 */
const MIN_PROBE_GFLOP = 100_000;
/** The time limit of a probe. Work that is not done by then is slow enough to say so. */
const PROBE_MS = 60_000;

interface ProbeOptions {
  readonly capacity: Capacity;
  readonly say: (message: string) => void;
  readonly stop: AbortSignal;
}

/**
 * Returns what to expect of a run. If no past run tells how long a stage takes, and it may be days, a few steps of its
 * work are tried, the largest stage first, until the run is known to take long; nothing is tried of a run that needs
 * more memory than there is. The time of these steps is recorded as a timing, so that plans know it too.
 */
export async function estimateRun(plan: Plan, store: Store, options: ProbeOptions): Promise<Outlook> {
  const tried = new Set<string>();
  while (true) {
    const forecasts = forecastPlan(plan, store);
    const outlook = summariseForecasts(plan, forecasts, options.capacity);
    const unknown = stagesNeedingConsent(plan).filter(({ id, work, device }) =>
      work.probe !== undefined && device !== undefined && forecasts.get(id)?.known === false
    );
    const [largest] = unknown.filter((one) => one.work.workGflop! > MIN_PROBE_GFLOP && !tried.has(probeName(one)))
      .sort((a, b) => b.work.workGflop! - a.work.workGflop!);
    const isRefused = outlook.long !== undefined || outlook.tight.some(({ refused }) => refused);
    if (largest === undefined || isRefused || options.stop.aborted) return outlook;
    const name = probeName(largest);
    tried.add(name);
    options.say(`trying a few steps of ${largest.id}, since nothing similar has run here`);
    const took = await measure(largest, options);
    if (took === undefined && !options.stop.aborted) options.say("that failed; the time is unknown");
    for (const one of took === undefined ? [] : unknown.filter((each) => probeName(each) === name)) {
      recordTiming(store, plan.pipeline, one, { ...took!, extent: null, probe: true });
    }
  }
}

/** Returns a name shared by all actions that one probe covers. */
function probeName({ work, device }: PlannedAction): string {
  return JSON.stringify([work.probe, device!.numerics]);
}

/** The inputs and outputs of a probe: none. */
const NOTHING = { seed: 0, inputs: {}, outputs: {}, progressLimit: 0, packages: {}, externals: {} };
const BARE = { hosts: [], env: {}, memoryLimit: undefined, timeoutMs: PROBE_MS, log: new StageLog(() => {}) };

/** Runs a probe. @returns undefined if the probe failed: the run itself will tell why */
async function measure({ stage, work, device }: PlannedAction, { say, stop }: ProbeOptions) {
  const { entry, params, stepGflop } = work.probe!;
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
    // A probe has nothing to save, so a request to stop kills it.
    kill: stop,
    emit: (event) => {
      if (event.type !== "progress") return;
      rate.note(event.update);
      steps = event.update.done;
    },
  });
  const durationMs = performance.now() - started;
  if (status !== "complete" && status !== "timeout") return undefined;
  // A probe that reached no second step is at least as slow as if its first step had taken all the time.
  return { workGflop: Math.max(1, steps) * stepGflop, overheadMs: rate.overheadMs(durationMs, 0) ?? 0, durationMs };
}
