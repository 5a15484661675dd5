import type { Timing } from "../../schemas/records.ts";
import { waitsOf } from "../keys/action.ts";
import { gpuCount } from "../keys/stage.ts";
import { lessMemory } from "../contract/less_memory.ts";
import { freeMemory, totalMemory } from "../process/memory.ts";
import { formatMemory, parseMemory } from "../process/runtime.ts";
import { machineClass } from "../process/machine.ts";
import { isOpenSlot } from "./slots.ts";
import { slotsOf } from "./wanted_slots.ts";
import { isForced, mayRun, type Plan, type PlannedAction, RUNNING_STATES } from "./plan.ts";

/** The forecast duration of a stage, or why there is none. */
export type Forecast =
  | { readonly known: true; readonly durationMs: number; readonly basis: string }
  | { readonly known: false; readonly basis: string };

/** An amount of work. Durations are compared per unit of work, and only if the unit is the same. */
type Amount = Readonly<ReturnType<typeof amountOf>>;

/**
 * The number of past runs that count, newest first: machines and code change, and one odd run among five does not move
 * the median.
 */
const RECENT = 5;
/** The factor by which a forecast may be wrong. Where past runs cannot support that, there is no forecast. */
const MAX_ERROR_FACTOR = 2;
/** The most past runs of one kind that are looked at; sweeps have thousands, and each stage of a plan asks again. */
const MAX_HISTORY = 100;
/** The duration of a stage that runs in the engine and has no process to start. */
const INLINE_MS = 5;

/**
 * Estimates how long each stage of a plan that has no result will take, from past runs on machines of this class and
 * with the same numerics: the median of the last few runs that differ from the stage at most in extent and read as
 * much, else of stages of its kind whose arithmetic had about the same shape. Nothing is concluded from other work. A
 * stage that several actions compute takes as long as these one after another.
 */
export function forecastPlan(
  plan: Plan,
  { timings }: { readonly timings: { all(): readonly Timing[] } },
  machine?: string,
): ReadonlyMap<string, Forecast> {
  const open = [...plan.actions].filter(([, { state }]) => state !== "cached" && state !== "restore");
  const forecasts = new Map<string, Forecast>();
  if (open.length === 0) return forecasts;
  // Detecting the processor takes longer than planning a small pipeline in which everything is cached.
  const here = machine ?? machineClass();
  // Less than one operation is no work, and would make every ratio to it absurd.
  const pasts = timings.all().filter((timing) => timing.machine === here && amountOf(timing).done >= 1e-9);
  const history = {
    alike: Map.groupBy(pasts, ({ likeness, numerics }) => `${likeness} ${numerics}`),
    kinds: Map.groupBy(pasts, ({ kind, numerics }) => `${kind} ${numerics}`),
  };
  // Returns the steps that the stage need not do: those that were saved, and those of the shorter stage that runs
  // before it.
  const waits = waitsOf(open.map(([, planned]) => planned));
  const startOf = (planned: PlannedAction): number => {
    const before = plan.actions.get(waits.get(planned.id)?.continues ?? "")?.stage.extent ?? 0;
    // In the time of a slot's own rung, whatever its trial is.
    const reached = isOpenSlot(planned) ? planned.stage.slot!.from : 0;
    return isForced(planned) ? 0 : Math.max(planned.fromStep ?? 0, before, reached);
  };
  const first = new Map<string, string>();
  for (const [id, planned] of open) {
    const twin = first.get(planned.recipeKey);
    if (twin === undefined) first.set(planned.recipeKey, id);
    const forecast: Forecast = twin === undefined
      ? forecastStage(
        planned,
        amountOf({ ...planned.work, extent: planned.stage.extent, fromStep: startOf(planned) }),
        history,
      )
      : { known: true, durationMs: 0, basis: `the result of ${twin} serves` };
    const all = [...forecastsOf(planned.joins, forecasts), forecast];
    const { basis } = all[0]!;
    forecasts.set(id, all.find(({ known }) => !known) ?? { known: true, durationMs: timeOf(all), basis });
  }
  return forecasts;
}

function forecastsOf(ids: readonly string[], forecasts: ReadonlyMap<string, Forecast>): Forecast[] {
  return ids.flatMap((id) => forecasts.get(id) ?? []);
}

function timeOf(forecasts: readonly Forecast[]): number {
  return forecasts.reduce((sum, one) => sum + (one.known ? one.durationMs : 0), 0);
}

/** Returns the amount of work of a past run, or of a stage that is to run. */
function amountOf(
  { extent, workGflop, fromStep }: Partial<Record<"extent" | "workGflop" | "fromStep", number | null | undefined>>,
) {
  const from = fromStep ?? 0;
  if (typeof workGflop === "number") {
    const share = typeof extent === "number" ? Math.max(0, 1 - from / extent) : 1;
    return { unit: "GFLOP" as const, done: workGflop * share };
  }
  if (typeof extent === "number") return { unit: "steps" as const, done: Math.max(0, extent - from) };
  return { unit: "run" as const, done: 1 };
}

/** @param history past runs by likeness or kind, and numerics; the newest come last */
function forecastStage(
  { stage: { kind }, work: { likeness, workShape, usual }, device }: PlannedAction,
  amount: Amount,
  history: Readonly<Record<"alike" | "kinds", ReadonlyMap<string, readonly Timing[]>>>,
): Forecast {
  const numerics = device?.numerics ?? null;
  const kinds = history.kinds.get(`${kind.name} ${numerics}`)?.slice(-MAX_HISTORY) ?? [];
  if (kind.runs === "inline") {
    const durationMs = kinds.length === 0 ? INLINE_MS : medianOf(kinds.slice(-RECENT));
    return { known: true, durationMs, basis: "in the engine, usually milliseconds" };
  }
  const same = estimatesOf(history.alike.get(`${likeness} ${numerics}`)?.slice(-MAX_HISTORY) ?? [], amount);
  if (usual !== undefined && same.length === 0) return { known: true, ...usual };
  if (same.length > 0) {
    if (same[0]!.probe) return { known: true, durationMs: medianOf(same), basis: "a few steps of its network" };
    const runs = same.length === 1 ? "the last run like it" : `the median of the last ${same.length} runs like it`;
    const scaled = same.some(({ ratio }) => Math.abs(ratio - 1) > 0.01);
    const by = amount.unit === "steps" ? "by steps" : "by arithmetic";
    return { known: true, durationMs: medianOf(same), basis: scaled ? `${runs}, scaled ${by}` : runs };
  }
  if (amount.unit !== "GFLOP") return { known: false, basis: "nothing similar has run on a machine like this" };
  // If the shape and the length both differ, a forecast is near only if the overhead of the past run is known.
  const told = kinds.filter((timing) =>
    timing.overheadMs === null
      ? workShape !== undefined && JSON.stringify(workShape) === JSON.stringify(timing.workShape)
      : haveSimilarShape(workShape, timing.workShape)
  );
  const near = estimatesOf(told, amount);
  if (near.length === 0) {
    const work = `${Number(amount.done.toPrecision(3))} GFLOP`;
    return { known: false, basis: `${work}, and no ${kind.name} stage of its size has run on a machine like this` };
  }
  const like = near[0]!.probe ? "a few steps of a network" : `past ${kind.name} stages`;
  const basis = `${Math.round(amount.done)} GFLOP, as ${like} of about its size`;
  return { known: true, durationMs: medianOf(near), basis };
}

/**
 * Estimates the duration of an amount of work from each of the last few past runs. The overhead, which does not grow
 * with the work, is known only for runs whose reports of progress told it; other runs are used only if they are at most
 * twice as long, or half as long. Probes are used only if there is no run.
 * @returns each duration with the `ratio` of this work to that of the past run
 */
function estimatesOf(pasts: readonly Timing[], amount: Amount) {
  const estimates = pasts.flatMap((timing) => {
    const { durationMs, overheadMs, probe } = timing;
    const past = amountOf(timing);
    const ratio = amount.done / past.done;
    if (
      past.unit !== amount.unit || (overheadMs === null && (ratio > MAX_ERROR_FACTOR || ratio * MAX_ERROR_FACTOR < 1))
    ) return [];
    const overhead = overheadMs ?? 0;
    return [{ durationMs: overhead + (durationMs - overhead) * ratio, ratio, probe }];
  });
  const runs = estimates.filter(({ probe }) => !probe);
  return (runs.length > 0 ? runs : estimates).slice(-RECENT);
}

/** True if work of these shapes goes at about the same pace. */
function haveSimilarShape(one: readonly number[] | undefined, other: readonly number[] | null): boolean {
  if (one === undefined || other === null || one.length !== other.length) return false;
  const apart = one.reduce((product, value, index) => {
    const ratio = value / other[index]!;
    return product * Math.max(ratio, 1 / ratio);
  }, 1);
  return apart <= MAX_ERROR_FACTOR * (1 + 1e-9);
}

function medianOf(times: readonly { readonly durationMs: number }[]): number {
  const sorted = times.map(({ durationMs }) => durationMs).sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The numbers of jobs, processors and graphics cards that a machine can use at the same time. */
export type Capacity = Readonly<Record<"jobs" | "cpus" | "gpus", number>>;

/** The time that stages take together. */
export type Total = Readonly<ReturnType<typeof totalOf>>;

/**
 * A lower bound of the time for stages of a plan: the longest chain of stages that wait for each other, or the slots
 * that all stages need together, whichever takes longer. The true time may be longer: it depends on the order.
 */
export function totalOf(
  plan: Plan,
  forecasts: ReadonlyMap<string, Forecast>,
  capacity: Capacity,
  ids: Iterable<string> = forecasts.keys(),
) {
  const chosen = [...new Set([...ids].flatMap((id) => [...plan.actions.get(id)?.joins ?? [], id]))]
    .filter((id) => forecasts.has(id));
  const certain = chosen.filter((id) => RUNNING_STATES.has(plan.actions.get(id)!.state));
  return {
    /** No order of the stages that run for certain is faster, if the forecasts hold. */
    atLeastMs: lowerBound(plan, forecasts, capacity, new Set(certain)),
    /** The same if every may-run stage runs, too. */
    ifAllMs: lowerBound(plan, forecasts, capacity, new Set(chosen)),
    /** Stages without a forecast; their time comes on top. */
    unknown: chosen.filter((id) => plan.stages.has(id) && !forecasts.get(id)!.known),
  };
}

/** Returns the least time that the given stages can take, in ms. */
function lowerBound(
  plan: Plan,
  forecasts: ReadonlyMap<string, Forecast>,
  { jobs, cpus, gpus }: Capacity,
  ids: ReadonlySet<string>,
): number {
  const waits = waitsOf(plan.actions.values());
  const ends = new Map<string, number>();
  const sums = { jobs: 0, cpus: 0, threads: 0, gpus: 0 };
  let longest = 0;
  // In dependency order, so the ends of the stages that a stage waits for are known.
  for (const [id, action] of plan.actions) {
    const forecast = ids.has(id) ? forecasts.get(id) : undefined;
    const joined = forecast?.known === true ? forecastsOf(action.joins, forecasts) : [];
    const durationMs = forecast === undefined ? 0 : timeOf([forecast]) - timeOf(joined);
    const end = waits.get(id)!.all.reduce((latest, one) => Math.max(latest, ends.get(one) ?? 0), 0) + durationMs;
    ends.set(id, end);
    longest = Math.max(longest, end);
    sums.jobs += durationMs;
    // As in the scheduler: a stage that asks for more slots than there are gets all of them.
    const { cpu = 1, threads = 0, ...rest } = slotsOf(action, action.device);
    sums.cpus += durationMs * Math.min(cpu, cpus);
    sums.threads += durationMs * Math.min(threads, cpus);
    sums.gpus += durationMs * Math.min(gpuCount(rest), gpus);
  }
  return Math.max(
    longest,
    sums.jobs / jobs,
    Math.max(sums.cpus, sums.threads) / cpus,
    gpus === 0 ? 0 : sums.gpus / gpus,
  );
}

/** Estimates the bytes of memory that a stage that may run needs; undefined if unknown or mostly a graphics card's. */
export function memoryNeed(planned: PlannedAction): number | undefined {
  return mayRun(planned) && planned.device?.card !== true ? planned.work.memoryBytes : undefined;
}

/** Says what to change for a stage to fit into so much memory. */
function adviceFor({ stage: { params }, work: { batchMemory } }: PlannedAction, most: number): string {
  const fits = batchMemory && Math.floor(1 + (most - batchMemory.first) / batchMemory.further);
  const advice = lessMemory(params, fits);
  if (batchMemory === undefined || fits! >= 1) return advice.join(", or ");
  const narrower = advice.filter((one) => one.startsWith("model."));
  const least = `one image at a time takes about ${formatMemory(batchMemory.first)}`;
  return [`${least}: use a machine with more memory`, ...narrower].join(", or ");
}

const HOUR_MS = 3_600_000;

/** The forecasts that people want to see before a run starts. */
export type Outlook = Readonly<ReturnType<typeof summariseForecasts>>;

/** Returns the stages whose computing the user has to agree to: not those on a card, and not work that is continued. */
export function stagesNeedingConsent(plan: Plan): PlannedAction[] {
  const agreed = new Set<string>();
  const waits = waitsOf(plan.actions.values());
  return [...plan.actions].flatMap(([id, planned]) => {
    // Whoever let a stage run until it saved has agreed to the stage and to those that read it.
    if (planned.state === "resume" || waits.get(id)!.requires.some((one) => agreed.has(one))) agreed.add(id);
    const joins = planned.do === "join";
    return agreed.has(id) || joins || !mayRun(planned) || planned.device?.card === true ? [] : [planned];
  });
}

/** Summarises what the forecasts of a plan mean for whoever starts it. */
export function summariseForecasts(plan: Plan, forecasts: ReadonlyMap<string, Forecast>, capacity: Capacity) {
  const running = [...plan.actions.values()].filter(mayRun);
  const withoutCard = running.filter(({ device, stage }) => device?.card === false && gpuCount(stage.resources) > 0);
  const slower = running.filter(({ device }) => device?.faster !== undefined);
  /** Returns the least time that some stages take together, and the stages that matter to it, longest first. */
  const longerThan = (limitMs: number, planned: readonly PlannedAction[]) => {
    const ids = [...new Set(planned.map(({ stage }) => stage.id))];
    const totalMs = totalOf(plan, forecasts, capacity, ids).ifAllMs;
    const stages = ids.map((id) => ({ id, durationMs: 0, ...forecasts.get(id) }))
      .filter(({ durationMs }) => durationMs > totalMs / 100).map(({ id, durationMs }) => ({ id, durationMs }));
    return totalMs > limitMs ? { totalMs, stages: stages.sort((a, b) => b.durationMs - a.durationMs) } : undefined;
  };
  const [free, total] = [freeMemory(), totalMemory()];
  return {
    /** Stages that need more memory than is free, or than they may take, with what to lower. */
    tight: [...plan.actions.values()].flatMap((planned) => {
      const { stage, device } = planned;
      const { memory } = stage.resources;
      const needs = memoryNeed(planned) ?? 0;
      const most = Math.min(free, memory === undefined ? Infinity : parseMemory(memory));
      // Free memory is known of this machine only.
      if (needs <= most || device === undefined) return [];
      return [{
        stage: stage.entry,
        needs,
        most,
        /** True if the most is the stage's own limit, not what is free. */
        isLimit: most < free,
        /** True if it needs more than there can ever be, not just more than is free now: `run` refuses it. */
        refused: needs > (memory === undefined ? total : Math.min(total, parseMemory(memory))),
        fix: adviceFor(planned, most),
      }];
    }),
    /** Work of more than a day without a graphics card that nobody has agreed to; undefined if there is less. */
    long: longerThan(24 * HOUR_MS, stagesNeedingConsent(plan)),
    /** Work of more than an hour that wants a card and has none. */
    withoutCard: longerThan(HOUR_MS, withoutCard),
    /** Work of more than an hour that a device which is not set up is faster at, and the command that sets it up. */
    slower: longerThan(HOUR_MS, slower),
    faster: slower[0]?.device?.faster,
    /** The fix for a card that is visible but not used to compute. */
    cardFix: withoutCard.flatMap(({ device }) => device?.warning?.fix ?? [])[0],
  };
}
