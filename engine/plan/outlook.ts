import { cardsOf, predecessorsOf } from "../keys/stage.ts";
import { mayWork, type Plan, type PlannedStage } from "./plan.ts";
import { type Capacity, type Forecast, totalOf } from "./forecast.ts";

const HOUR_MS = 3_600_000;

/** Stages that take long together. */
export interface LongWork {
  /** All of them, at least. */
  readonly totalMs: number;
  /** Those that matter to it, longest first. */
  readonly stages: readonly { readonly id: string; readonly durationMs: number }[];
}

/** What people want to know before a run starts. */
export interface Outlook {
  /** Work of more than a day on no graphics card that nobody has agreed to; undefined where there is less. */
  readonly long: LongWork | undefined;
  /** Work of more than an hour that wants a card and has none. */
  readonly withoutCard: LongWork | undefined;
  /** How to get a visible card that is not used to compute. */
  readonly cardFix: string | undefined;
}

/** The stages that compute for whoever starts the run to agree to: not those on a card, and not work that goes on. */
export function askedAbout(plan: Plan): PlannedStage[] {
  const agreed = new Set<string>();
  return [...plan.stages].flatMap(([id, planned]) => {
    // Whoever let a stage run until it saved has agreed to it and to what reads it.
    if (planned.state === "resume" || predecessorsOf(planned.stage).some((one) => agreed.has(one))) agreed.add(id);
    return agreed.has(id) || !mayWork(planned) || planned.device?.card === true ? [] : [planned];
  });
}

/** What the forecasts of a plan mean for whoever starts it. */
export function lookAhead(plan: Plan, forecasts: ReadonlyMap<string, Forecast>, capacity: Capacity): Outlook {
  const withoutCard = [...plan.stages.values()].filter((planned) =>
    mayWork(planned) && planned.device?.card === false && cardsOf(planned.stage.resources) > 0
  );
  const longerThan = (limitMs: number, planned: readonly PlannedStage[]): LongWork | undefined => {
    const ids = planned.map(({ stage }) => stage.id);
    const totalMs = totalOf(plan, forecasts, capacity, ids).ifAllMs;
    const stages = ids.map((id) => ({ id, durationMs: 0, ...forecasts.get(id) }))
      .filter(({ durationMs }) => durationMs > totalMs / 100).map(({ id, durationMs }) => ({ id, durationMs }));
    return totalMs > limitMs ? { totalMs, stages: stages.sort((a, b) => b.durationMs - a.durationMs) } : undefined;
  };
  return {
    long: longerThan(24 * HOUR_MS, askedAbout(plan)),
    withoutCard: longerThan(HOUR_MS, withoutCard),
    cardFix: withoutCard.flatMap(({ device }) => device?.warning?.fix ?? [])[0],
  };
}
