import type { Timing } from "../../schemas/records.ts";
import type { Store } from "../store/store.ts";
import type { Plan, PlannedStage } from "./plan.ts";

/** How long a stage will take, or why that cannot be said. */
export type Forecast =
  | { readonly known: true; readonly durationMs: number; readonly basis: string }
  | { readonly known: false; readonly basis: string };

/**
 * Estimate how long each stage of a plan will take, from past runs in this store: the stage's own last time,
 * scaled by its arithmetic where that is known, else the arithmetic rate of the largest past run on the same numerics.
 * Small runs are mostly overhead, so the largest tells most.
 */
export function forecastPlan(plan: Plan, store: Store): ReadonlyMap<string, Forecast> {
  const timings = store.timings.all();
  const own = new Map<string, Timing>();
  const rates = new Map<string, Timing>();
  for (const timing of timings) {
    own.set(`${timing.pipeline}/${timing.stage} ${timing.kind} ${timing.numerics}`, timing);
    if (timing.workGflop === null) continue;
    for (const key of [`${timing.kind} ${timing.numerics}`, `any ${timing.numerics}`]) {
      if (timing.workGflop >= (rates.get(key)?.workGflop ?? 0)) rates.set(key, timing);
    }
  }
  const forecasts = new Map<string, Forecast>();
  for (const [id, planned] of plan.stages) {
    if (planned.state === "cached" || planned.state === "restore") continue;
    forecasts.set(id, forecastStage(plan.pipeline.name, planned, own, rates));
  }
  return forecasts;
}

function forecastStage(
  pipeline: string,
  planned: PlannedStage,
  own: ReadonlyMap<string, Timing>,
  rates: ReadonlyMap<string, Timing>,
): Forecast {
  const { stage, fromStep, device } = planned;
  const share = fromStep === undefined || stage.extent === undefined ? 1 : Math.max(0, 1 - fromStep / stage.extent);
  const numerics = device?.numerics ?? null;
  const work = stage.workGflop;
  const last = own.get(`${pipeline}/${stage.id} ${stage.kind.name} ${numerics}`);
  if (last !== undefined) {
    const scale = work === undefined || last.workGflop === null ? 1 : work / last.workGflop;
    return { known: true, durationMs: last.durationMs * scale * share, basis: "the stage's last run" };
  }
  if (work === undefined) return { known: false, basis: "no past run of the stage" };
  // Training and inference differ in rate, so a run of the same kind beats a larger run of another.
  const like = rates.get(`${stage.kind.name} ${numerics}`) ?? rates.get(`any ${numerics}`);
  if (like === undefined) {
    return {
      known: false,
      basis: "nothing like it has run on this machine; pipelines/smoke.yaml gives a first figure",
    };
  }
  const rate = like.workGflop! / like.durationMs;
  return {
    known: true,
    durationMs: work * share / rate,
    basis: `${Math.round(work)} GFLOP at the ${Math.round(rate * 1000)} GFLOP/s of a past ${like.kind} stage`,
  };
}
