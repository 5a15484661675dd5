import type { Timing } from "../../schemas/records.ts";
import { parseStageId } from "../load/reference.ts";
import type { Stage } from "../pipeline.ts";
import { machineClass } from "../store/machine.ts";
import type { Plan, PlannedStage } from "./plan.ts";

/** How long a stage will take, or why that cannot be said. */
export type Forecast =
  | { readonly known: true; readonly durationMs: number; readonly basis: string }
  | { readonly known: false; readonly basis: string };

/** An amount of work: times are compared per unit, and only within one unit. */
interface Amount {
  readonly unit: "GFLOP" | "steps" | "run";
  readonly done: number;
}

interface Past {
  readonly timing: Timing;
  readonly amount: Amount;
}

/** Of past runs, the newest few count: machines and code change, and one odd run among five does not move the median. */
const RECENT = 5;
/** Runs of another size within this factor scale well; much smaller ones are mostly overhead. */
const SIMILAR = 4;
/** So many past runs of one sort are looked at; sweeps have thousands, and each stage of a plan asks anew. */
const MEMORY = 100;
/** What a stage within the engine is for; it has no process to start. */
const INLINE_MS = 5;

/**
 * Estimate how long each stage of a plan that is not there will take, from past runs on machines of this class and on
 * the same numerics: the median of the last few of the stage itself, else of its relatives in the pipeline (its
 * children in a matrix, itself at another extent), else the pace of the same kind, by its arithmetic.
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
  const history = makeHistory(timings.all().filter((timing) => timing.machine === here));
  const starts = startsOf(plan);
  const first = new Map<string, string>();
  for (const [id, planned] of open) {
    const twin = first.get(planned.recipeKey);
    if (twin === undefined) first.set(planned.recipeKey, id);
    const forecast: Forecast = twin === undefined
      ? forecastStage(plan.pipeline.name, planned, amountOf(planned.stage, starts.get(id) ?? 0), history)
      : { known: true, durationMs: 0, basis: `the result of ${twin} serves` };
    forecasts.set(id, forecast);
  }
  return forecasts;
}

/** Steps that each stage need not do: those that were saved, and those of the shorter stage that runs before it. */
function startsOf(plan: Plan): ReadonlyMap<string, number> {
  const starts = new Map<string, number>();
  const reached = new Map<string, number>();
  const byExtent = [...plan.stages.values()].filter(({ stage }) => stage.extent !== undefined)
    .sort((a, b) => a.stage.extent! - b.stage.extent!);
  for (const { stage, state, fromStep = 0, reasons } of byExtent) {
    const forced = reasons.some(({ code }) => code === "forced");
    starts.set(stage.id, forced ? 0 : Math.max(fromStep, reached.get(stage.entry) ?? 0));
    if (state !== "cached" && state !== "restore") reached.set(stage.entry, stage.extent!);
  }
  return starts;
}

function amountOf({ extent, workGflop }: Pick<Stage, "extent" | "workGflop">, from: number): Amount {
  if (workGflop !== undefined) {
    return { unit: "GFLOP", done: workGflop * (extent === undefined ? 1 : Math.max(0, 1 - from / extent)) };
  }
  if (extent !== undefined) return { unit: "steps", done: Math.max(0, extent - from) };
  return { unit: "run", done: 1 };
}

interface History {
  /** By pipeline, stage, kind and numerics. */
  readonly own: ReadonlyMap<string, readonly Past[]>;
  readonly relatives: ReadonlyMap<string, readonly Past[]>;
  readonly kinds: ReadonlyMap<string, readonly Past[]>;
  readonly anyKind: ReadonlyMap<string, readonly Past[]>;
}

function makeHistory(timings: readonly Timing[]): History {
  const all = timings.map((timing): Past => ({
    timing,
    amount: amountOf(
      { extent: timing.extent ?? undefined, workGflop: timing.workGflop ?? undefined },
      timing.fromStep ?? 0,
    ),
  })).filter(({ amount }) => amount.done > 0);
  const by = (keyOf: (timing: Timing) => string) =>
    new Map([...Map.groupBy(all, ({ timing }) => keyOf(timing))].map(([key, pasts]) => [key, pasts.slice(-MEMORY)]));
  return {
    own: by((one) => `${one.pipeline}/${one.stage} ${one.kind} ${one.numerics}`),
    relatives: by((one) => `${one.pipeline}/${familyOf(one.stage)} ${one.kind} ${one.numerics}`),
    kinds: by((one) => `${one.kind} ${one.numerics}`),
    anyKind: by((one) => String(one.numerics)),
  };
}

function familyOf(id: string): string {
  return parseStageId(id).stage.replace(/@\d+$/, "");
}

function forecastStage(pipeline: string, { stage, device }: PlannedStage, amount: Amount, history: History): Forecast {
  const { id, kind } = stage;
  const numerics = device?.numerics ?? null;
  const same = (pasts: readonly Past[] | undefined) => pasts?.filter((past) => past.amount.unit === amount.unit) ?? [];

  const own = same(history.own.get(`${pipeline}/${id} ${kind.name} ${numerics}`));
  if (own.length > 0) return fromRuns(own, amount, "its last run", (n) => `its last ${n} runs`);
  const family = familyOf(id);
  const relatives = same(history.relatives.get(`${pipeline}/${family} ${kind.name} ${numerics}`));
  if (relatives.length > 0) {
    return fromRuns(
      relatives,
      amount,
      `the last run of another "${family}"`,
      (n) => `the last ${n} runs of other "${family}"`,
    );
  }
  const kinds = same(history.kinds.get(`${kind.name} ${numerics}`));
  if (kind.runs === "inline") {
    if (kinds.length > 0) {
      return fromRuns(
        kinds,
        amount,
        `the last run of a ${kind.name} stage`,
        (n) => `the last ${n} runs of ${kind.name} stages`,
      );
    }
    return { known: true, durationMs: INLINE_MS, basis: "within the engine, as a rule milliseconds" };
  }
  if (amount.unit !== "GFLOP") return { known: false, basis: "no past run of the stage on such a machine" };
  // Training and inference differ in rate, so runs of the same kind beat larger ones of another.
  const like = kinds.length > 0 ? kinds : same(history.anyKind.get(String(numerics)));
  if (like.length === 0) {
    return {
      known: false,
      basis: "nothing like it has run on such a machine; pipelines/smoke.yaml gives a first figure",
    };
  }
  const chosen = chooseRuns(like, amount);
  const perUnit = medianPerUnit(chosen);
  const rough = kinds.length > 0 ? "" : "roughly, ";
  const whose = kinds.length > 0 ? kind.name : [...new Set(chosen.map(({ timing }) => timing.kind))].join(" and ");
  return {
    known: true,
    durationMs: perUnit * amount.done,
    basis: `${rough}${Math.round(amount.done)} GFLOP at the ${
      Math.round(1_000 / perUnit)
    } GFLOP/s of past ${whose} stages`,
  };
}

/** Of runs of about this size the last few, else of the largest the last few: small ones are mostly overhead. */
function chooseRuns(pasts: readonly Past[], { done }: Amount): readonly Past[] {
  const similar = pasts.filter(({ amount }) => amount.done * SIMILAR >= done && amount.done <= done * SIMILAR);
  if (similar.length > 0) return similar.slice(-RECENT);
  const largest = Math.max(...pasts.map(({ amount }) => amount.done));
  return pasts.filter(({ amount }) => amount.done * 2 >= largest).slice(-RECENT);
}

function medianPerUnit(pasts: readonly Past[]): number {
  const sorted = pasts.map(({ timing, amount }) => timing.durationMs / amount.done).sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function fromRuns(pasts: readonly Past[], amount: Amount, one: string, several: (count: number) => string): Forecast {
  const chosen = chooseRuns(pasts, amount);
  const count = chosen.length === 1 ? one : `the median of ${several(chosen.length)}`;
  const scaled = chosen.some((past) => Math.abs(past.amount.done / amount.done - 1) > 0.01);
  const by = amount.unit === "steps" ? "by steps" : "by arithmetic";
  return {
    known: true,
    durationMs: medianPerUnit(chosen) * amount.done,
    basis: scaled ? `${count}, scaled ${by}` : count,
  };
}
