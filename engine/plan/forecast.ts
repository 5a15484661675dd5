import type { Timing } from "../../schemas/records.ts";
import { cardsOf, predecessorsOf, shorterOf, slotsOf, wholeOf } from "../keys/stage.ts";
import { lessMemory } from "../../contract/less_memory.ts";
import { freeMemory } from "../process/memory.ts";
import { parseMemory } from "../process/runtime.ts";
import { machineClass } from "../store/machine.ts";
import { isForced, mayWork, type Plan, type PlannedStage, WORKING_STATES } from "./plan.ts";

/** How long a stage will take, or why that cannot be said. */
export type Forecast =
  | { readonly known: true; readonly durationMs: number; readonly basis: string }
  | { readonly known: false; readonly basis: string };

/** An amount of work: times are compared per unit, and only within one unit. */
type Amount = Readonly<ReturnType<typeof amountOf>>;

/** Of past runs, the newest few count: machines and code change, and one odd run among five does not move the median. */
const RECENT = 5;
/** By so much a forecast may be wrong; where the past does not tell as much, nothing is said. */
const FACTOR = 2;
/** So many past runs of one sort are looked at; sweeps have thousands, and each stage of a plan asks anew. */
const MEMORY = 100;
/** What a stage within the engine is for; it has no process to start. */
const INLINE_MS = 5;
/** Starting a process, and reading and writing what fits into memory. */
const JOIN_MS = 2_000;

/**
 * Estimate how long each stage of a plan that is not there will take, from past runs on machines of this class and on
 * the same numerics: the median of the last few that differ from it in their extent at most and read as much, else of
 * stages of its kind whose arithmetic was of about the same shape. Of other work nothing is concluded. What joins shards
 * takes as long as these one after another, and itself.
 */
export function forecastPlan(
  plan: Plan,
  { timings }: { readonly timings: { all(): readonly Timing[] } },
  machine?: string,
): ReadonlyMap<string, Forecast> {
  const open = [...plan.stages].filter(([, { state }]) => state !== "cached" && state !== "restore");
  const forecasts = new Map<string, Forecast>();
  if (open.length === 0) return forecasts;
  // Looking at the processor takes longer than planning a small pipeline where all is cached.
  const here = machine ?? machineClass();
  // Less than one operation is none, and would make every ratio to it absurd.
  const pasts = timings.all().filter((timing) => timing.machine === here && amountOf(timing).done >= 1e-9);
  const history = {
    alike: Map.groupBy(pasts, ({ likeness, numerics }) => `${likeness} ${numerics}`),
    kinds: Map.groupBy(pasts, ({ kind, numerics }) => `${kind} ${numerics}`),
  };
  // Steps that it need not do: those that were saved, and those of the shorter stage that runs before it.
  const shorter = shorterOf(open.map(([, { stage }]) => stage));
  const startOf = (planned: PlannedStage): number => {
    const before = plan.stages.get(shorter.get(planned.stage.id) ?? "")?.stage.extent ?? 0;
    return isForced(planned) ? 0 : Math.max(planned.fromStep ?? 0, before);
  };
  const first = new Map<string, string>();
  for (const [id, planned] of open) {
    const twin = first.get(planned.recipeKey);
    if (twin === undefined) first.set(planned.recipeKey, id);
    const forecast: Forecast = twin === undefined
      ? forecastStage(planned, amountOf({ ...planned.stage, fromStep: startOf(planned) }), history)
      : { known: true, durationMs: 0, basis: `the result of ${twin} serves` };
    const all = [...forecastsOf(planned.stage.parts, forecasts), forecast];
    const { basis } = all[0]!;
    forecasts.set(id, all.find(({ known }) => !known) ?? { known: true, durationMs: timeOf(all), basis });
  }
  return forecasts;
}

function forecastsOf(ids: readonly string[] = [], forecasts: ReadonlyMap<string, Forecast>): Forecast[] {
  return ids.flatMap((id) => forecasts.get(id) ?? []);
}

function timeOf(forecasts: readonly Forecast[]): number {
  return forecasts.reduce((sum, one) => sum + (one.known ? one.durationMs : 0), 0);
}

/** The work of a past run, or of a stage that is to run. */
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

/** @param history past runs by likeness or kind, and numerics; the newest are the last */
function forecastStage(
  { stage, device }: PlannedStage,
  amount: Amount,
  history: Readonly<Record<"alike" | "kinds", ReadonlyMap<string, readonly Timing[]>>>,
): Forecast {
  const { kind, likeness, workShape } = stage;
  const numerics = device?.numerics ?? null;
  const kinds = history.kinds.get(`${kind.name} ${numerics}`)?.slice(-MEMORY) ?? [];
  if (kind.runs === "inline") {
    const durationMs = kinds.length === 0 ? INLINE_MS : medianOf(kinds.slice(-RECENT));
    return { known: true, durationMs, basis: "in the engine, usually milliseconds" };
  }
  const same = estimatesOf(history.alike.get(`${likeness} ${numerics}`)?.slice(-MEMORY) ?? [], amount);
  if (stage.parts !== undefined && same.length === 0) {
    return { known: true, durationMs: JOIN_MS, basis: "joining shards usually takes seconds" };
  }
  if (same.length > 0) {
    if (same[0]!.probe) return { known: true, durationMs: medianOf(same), basis: "a few steps of its network" };
    const runs = same.length === 1 ? "the last run like it" : `the median of the last ${same.length} runs like it`;
    const scaled = same.some(({ ratio }) => Math.abs(ratio - 1) > 0.01);
    const by = amount.unit === "steps" ? "by steps" : "by arithmetic";
    return { known: true, durationMs: medianOf(same), basis: scaled ? `${runs}, scaled ${by}` : runs };
  }
  if (amount.unit !== "GFLOP") return { known: false, basis: "nothing similar has run on a machine like this" };
  // Of another shape and another length at once, only what is known of the beginning keeps a forecast near.
  const told = kinds.filter((timing) => timing.overheadMs !== null && areNear(workShape, timing.workShape));
  const near = estimatesOf(told, amount);
  if (near.length === 0) {
    return { known: false, basis: `no ${kind.name} stage of its size has run on a machine like this` };
  }
  const like = near[0]!.probe ? "a few steps of a network" : `past ${kind.name} stages`;
  const basis = `${Math.round(amount.done)} GFLOP, as ${like} of about its size`;
  return { known: true, durationMs: medianOf(near), basis };
}

/**
 * What the last few past runs say of an amount of work. What does not grow with the work is known of runs whose reports
 * of progress told; others say something only of runs that are at most twice as long, or half as long. Probes speak where
 * no run does.
 * @returns with the `ratio` of the work to that of the past run
 */
function estimatesOf(pasts: readonly Timing[], amount: Amount) {
  const estimates = pasts.flatMap((timing) => {
    const { durationMs, overheadMs, probe } = timing;
    const past = amountOf(timing);
    const ratio = amount.done / past.done;
    if (past.unit !== amount.unit || (overheadMs === null && (ratio > FACTOR || ratio * FACTOR < 1))) return [];
    const overhead = overheadMs ?? 0;
    return [{ durationMs: overhead + (durationMs - overhead) * ratio, ratio, probe }];
  });
  const runs = estimates.filter(({ probe }) => !probe);
  return (runs.length > 0 ? runs : estimates).slice(-RECENT);
}

/** Whether work of these shapes goes at about the same pace. */
function areNear(one: readonly number[] | undefined, other: readonly number[] | null): boolean {
  if (one === undefined || other === null || one.length !== other.length) return false;
  const apart = one.reduce((product, value, index) => {
    const ratio = value / other[index]!;
    return product * Math.max(ratio, 1 / ratio);
  }, 1);
  return apart <= FACTOR * (1 + 1e-9);
}

function medianOf(times: readonly { readonly durationMs: number }[]): number {
  const sorted = times.map(({ durationMs }) => durationMs).sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** What a machine can do at the same time. */
export type Capacity = Readonly<Record<"jobs" | "cpus" | "gpus", number>>;

/** How long stages take together. */
export type Total = Readonly<ReturnType<typeof totalOf>>;

/**
 * A lower bound of the time for stages of a plan: the longest chain of stages that wait for each other, or the slots
 * that all need together, whichever is longer. Nothing above it can be promised before the order is known.
 */
export function totalOf(
  plan: Plan,
  forecasts: ReadonlyMap<string, Forecast>,
  capacity: Capacity,
  ids: Iterable<string> = forecasts.keys(),
) {
  const chosen = [...new Set([...ids].flatMap((id) => [...plan.stages.get(id)?.stage.parts ?? [], id]))]
    .filter((id) => forecasts.has(id));
  const certain = chosen.filter((id) => WORKING_STATES.has(plan.stages.get(id)!.state));
  return {
    /** No order of the stages that run for certain is faster, if the forecasts hold. */
    atLeastMs: lowerBound(plan, forecasts, capacity, new Set(certain)),
    /** The same if every may-run stage runs. */
    ifAllMs: lowerBound(plan, forecasts, capacity, new Set(chosen)),
    /** Stages without a forecast; they come on top. */
    unknown: chosen.filter((id) => wholeOf(id) === undefined && !forecasts.get(id)!.known),
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
  const sums = { jobs: 0, cpus: 0, threads: 0, gpus: 0 };
  let longest = 0;
  // In dependency order, so what a stage waits for has its end already.
  for (const [id, { stage, device }] of plan.stages) {
    const forecast = ids.has(id) ? forecasts.get(id) : undefined;
    const shards = forecast?.known === true ? forecastsOf(stage.parts, forecasts) : [];
    const durationMs = forecast === undefined ? 0 : timeOf([forecast]) - timeOf(shards);
    const before = [...predecessorsOf(stage), shorter.get(id) ?? ""];
    const end = before.reduce((latest, one) => Math.max(latest, ends.get(one) ?? 0), 0) + durationMs;
    ends.set(id, end);
    longest = Math.max(longest, end);
    sums.jobs += durationMs;
    // As slots are taken: a stage that asks for more than there is gets what there is.
    const { cpu = 1, threads = 0, ...rest } = slotsOf(stage, device);
    sums.cpus += durationMs * Math.min(cpu, cpus);
    sums.threads += durationMs * Math.min(threads, cpus);
    sums.gpus += durationMs * Math.min(cardsOf(rest), gpus);
  }
  return Math.max(
    longest,
    sums.jobs / jobs,
    Math.max(sums.cpus, sums.threads) / cpus,
    gpus === 0 ? 0 : sums.gpus / gpus,
  );
}

/** About what a stage that may work needs, in bytes; undefined where that is not known, or mostly a graphics card's. */
export function memoryNeed(planned: PlannedStage): number | undefined {
  return mayWork(planned) && planned.device?.card !== true ? planned.stage.memoryBytes : undefined;
}

const HOUR_MS = 3_600_000;

/** What people want to know before a run starts. */
export type Outlook = Readonly<ReturnType<typeof lookAhead>>;

/** The stages that compute for whoever starts the run to agree to: not those on a card, and not work that goes on. */
export function askedAbout(plan: Plan): PlannedStage[] {
  const agreed = new Set<string>();
  return [...plan.stages].flatMap(([id, planned]) => {
    // Whoever let a stage run until it saved has agreed to it and to what reads it.
    if (planned.state === "resume" || predecessorsOf(planned.stage).some((one) => agreed.has(one))) agreed.add(id);
    const joins = planned.stage.parts !== undefined;
    return agreed.has(id) || joins || !mayWork(planned) || planned.device?.card === true ? [] : [planned];
  });
}

/** What the forecasts of a plan mean for whoever starts it. */
export function lookAhead(plan: Plan, forecasts: ReadonlyMap<string, Forecast>, capacity: Capacity) {
  const withoutCard = [...plan.stages.values()].filter((planned) =>
    mayWork(planned) && planned.device?.card === false && cardsOf(planned.stage.resources) > 0
  );
  /** How long some stages take together, at least, and those that matter to it, longest first. */
  const longerThan = (limitMs: number, planned: readonly PlannedStage[]) => {
    const ids = [...new Set(planned.map(({ stage }) => stage.shard?.whole ?? stage.id))];
    const totalMs = totalOf(plan, forecasts, capacity, ids).ifAllMs;
    const stages = ids.map((id) => ({ id, durationMs: 0, ...forecasts.get(id) }))
      .filter(({ durationMs }) => durationMs > totalMs / 100).map(({ id, durationMs }) => ({ id, durationMs }));
    return totalMs > limitMs ? { totalMs, stages: stages.sort((a, b) => b.durationMs - a.durationMs) } : undefined;
  };
  const free = freeMemory();
  return {
    /** Stages that need more memory than is free, or than they may take, with what to lower. */
    tight: [...plan.stages.values()].flatMap((planned) => {
      const { stage, device } = planned;
      const { memory } = stage.resources;
      const needs = memoryNeed(planned) ?? 0;
      const most = Math.min(free, memory === undefined ? Infinity : parseMemory(memory));
      // Free memory is that of this machine.
      if (needs <= most || device === undefined) return [];
      return [{
        stage: stage.entry,
        needs,
        most,
        fix: lessMemory(stage.params, Math.ceil(needs / most)).join(", or "),
      }];
    }),
    /** Work of more than a day on no graphics card that nobody has agreed to; undefined where there is less. */
    long: longerThan(24 * HOUR_MS, askedAbout(plan)),
    /** Work of more than an hour that wants a card and has none. */
    withoutCard: longerThan(HOUR_MS, withoutCard),
    /** How to get a visible card that is not used to compute. */
    cardFix: withoutCard.flatMap(({ device }) => device?.warning?.fix ?? [])[0],
  };
}
