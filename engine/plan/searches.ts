import { extentParam } from "../keys/stage.ts";
import { isOpenSlot } from "./slots.ts";
import { mayRun, type Plan } from "./plan.ts";

/**
 * Returns, for each search with rungs, the units of work to come and how many stages reach each rung. A slot whose
 * trial is not known yet goes on from the rung below, so the number is exact unless a trial is cached by then.
 */
export function searchesIn({ stages, pipeline }: Plan) {
  const searched = pipeline.stages.values().filter(({ id, slot, extent }) => slot?.of === id && extent !== undefined);
  return Array.from(searched, ({ id, kind }) => {
    const own = [...stages.values()].filter(({ stage: { slot, isTrial }, id: one }) =>
      isTrial && (slot?.of === id || one.startsWith(`${id}~trial=`))
    );
    const rungs = Map.groupBy(own, ({ stage }) => stage.extent!);
    const toCome = own.filter(mayRun).reduce((sum, { stage, fromStep = 0 }) => {
      return sum + stage.extent! - Math.max(fromStep, isOpenSlot({ stage }) ? stage.slot!.from : 0);
    }, 0);
    return {
      stage: id,
      unit: extentParam(kind)!,
      toCome,
      rungs: [...rungs].map(([extent, { length }]) => ({ extent, stages: length })),
    };
  }).filter(({ rungs }) => rungs.length > 0);
}
