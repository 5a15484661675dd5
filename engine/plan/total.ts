import type { Forecast } from "./forecast.ts";
import { cardsOf, predecessorsOf, shorterOf } from "../keys/stage.ts";
import { type Plan, WORKING_STATES } from "./plan.ts";

/** What a machine can do at the same time. */
export interface Capacity {
  readonly jobs: number;
  readonly cpus: number;
  readonly gpus: number;
}

/** How long stages take together. */
export interface Total {
  /** No order of the stages that run for certain is faster, if the forecasts hold. */
  readonly atLeastMs: number;
  /** The same if every may-run stage runs. */
  readonly ifAllMs: number;
  /** Stages without a forecast; they come on top. */
  readonly unknown: readonly string[];
}

/**
 * A lower bound of the time for stages of a plan: the longest chain of stages that wait for each other, or the slots
 * that all need together, whichever is longer. Nothing above it can be promised before the order is known.
 */
export function totalOf(
  plan: Plan,
  forecasts: ReadonlyMap<string, Forecast>,
  capacity: Capacity,
  ids: Iterable<string> = forecasts.keys(),
): Total {
  const chosen = [...ids].filter((id) => forecasts.has(id));
  const certain = chosen.filter((id) => WORKING_STATES.has(plan.stages.get(id)!.state));
  return {
    atLeastMs: lowerBound(plan, forecasts, capacity, new Set(certain)),
    ifAllMs: lowerBound(plan, forecasts, capacity, new Set(chosen)),
    unknown: chosen.filter((id) => !forecasts.get(id)!.known),
  };
}

function lowerBound(
  plan: Plan,
  forecasts: ReadonlyMap<string, Forecast>,
  { jobs, cpus, gpus }: Capacity,
  ids: ReadonlySet<string>,
): number {
  const shorter = shorterOf([...plan.stages.values()].map(({ stage }) => stage));
  const ends = new Map<string, number>();
  const sums = { jobs: 0, cpus: 0, gpus: 0 };
  let longest = 0;
  // In dependency order, so what a stage waits for has its end already.
  for (const [id, { stage }] of plan.stages) {
    const forecast = ids.has(id) ? forecasts.get(id) : undefined;
    const durationMs = forecast?.known === true ? forecast.durationMs : 0;
    const before = [...predecessorsOf(stage), shorter.get(id) ?? ""];
    const end = before.reduce((latest, one) => Math.max(latest, ends.get(one) ?? 0), 0) + durationMs;
    ends.set(id, end);
    longest = Math.max(longest, end);
    sums.jobs += durationMs;
    // As slots are taken: a stage that asks for more than there is gets what there is.
    sums.cpus += durationMs * Math.min(stage.resources.cpu ?? 1, cpus);
    sums.gpus += durationMs * Math.min(cardsOf(stage.resources), gpus);
  }
  return Math.max(longest, sums.jobs / jobs, sums.cpus / cpus, gpus === 0 ? 0 : sums.gpus / gpus);
}
