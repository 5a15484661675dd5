import { cardsOf, predecessorsOf } from "../pipeline.ts";
import type { Forecast } from "./forecast.ts";
import { mayWork, type Plan } from "./plan.ts";
import { type Capacity, totalOf } from "./total.ts";

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
  readonly cardless: LongWork | undefined;
}

/** What the forecasts of a plan mean for whoever starts it. */
export function lookAhead(plan: Plan, forecasts: ReadonlyMap<string, Forecast>, capacity: Capacity): Outlook {
  const agreed = new Set<string>();
  const [open, cardless]: [string[], string[]] = [[], []];
  for (const [id, planned] of plan.stages) {
    const { stage, device } = planned;
    // Whoever let a stage run until it saved has agreed to it and to what reads it.
    if (planned.state === "resume" || predecessorsOf(stage).some((one) => agreed.has(one))) agreed.add(id);
    if (!mayWork(planned) || device?.card === true) continue;
    if (!agreed.has(id)) open.push(id);
    if (device !== undefined && cardsOf(stage.resources) > 0) cardless.push(id);
  }
  const longerThan = (limitMs: number, ids: readonly string[]): LongWork | undefined => {
    const totalMs = totalOf(plan, forecasts, capacity, ids).ifAllMs;
    if (totalMs <= limitMs) return undefined;
    const known = ids.flatMap((id) => {
      const forecast = forecasts.get(id)!;
      return forecast.known ? [{ id, durationMs: forecast.durationMs }] : [];
    });
    const stages = known.filter(({ durationMs }) => durationMs > totalMs / 100);
    return { totalMs, stages: stages.sort((a, b) => b.durationMs - a.durationMs) };
  };
  return { long: longerThan(24 * HOUR_MS, open), cardless: longerThan(HOUR_MS, cardless) };
}
