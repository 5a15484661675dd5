import type { Timing } from "../../schemas/records.ts";
import type { Stage } from "../pipeline.ts";
import type { Forecast } from "./plan.ts";

/**
 * Estimate a stage's time from past runs: the same stage's own, else the arithmetic rate of the largest past run on the
 * same numerics. Small runs are mostly overhead, so the largest tells most.
 * @param share the part of the stage that is still to be done, in (0, 1]
 */
export function forecastStage(
  stage: Stage,
  localKey: string,
  numerics: string | undefined,
  share: number,
  timings: readonly Timing[],
): Forecast {
  const own = timings.findLast((timing) => timing.localKey === localKey && timing.numerics === (numerics ?? null));
  if (own !== undefined) {
    return { known: true, durationMs: own.durationMs * share, basis: "this stage's last run" };
  }
  const work = stage.workGflop;
  if (work === undefined) return { known: false, basis: "no past run of this stage" };
  let best: Timing | undefined;
  for (const timing of timings) {
    if (timing.numerics !== (numerics ?? null) || timing.workGflop === null) continue;
    // Training and inference differ in rate, so a run of the same kind beats a larger run of another.
    const better = best === undefined || (timing.kind === stage.kind.name && best.kind !== stage.kind.name) ||
      (timing.kind === best.kind && timing.workGflop > best.workGflop!);
    if (better) best = timing;
  }
  if (best === undefined) {
    return {
      known: false,
      basis: "nothing like it has run on this machine; pipelines/smoke.yaml gives a first figure",
    };
  }
  const rate = best.workGflop! / best.durationMs;
  return {
    known: true,
    durationMs: work * share / rate,
    basis: `${Math.round(work)} GFLOP at the ${Math.round(rate * 1000)} GFLOP/s of a past ${best.kind} stage`,
  };
}
