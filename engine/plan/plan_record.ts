import type { PlanRecord } from "../../schemas/records.ts";
import { readsOf, type Stage } from "../keys/stage.ts";
import { leavesIn } from "../pipeline/leaves.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { Plan } from "./plan.ts";

/** Longer values are shown by the file itself, not by a page. */
const MAX_TEXT = 200;
const MAX_PARAMS = 100;
const MAX_STEPS = 4;

/** Returns the record of what a run is about to do, for people who look at it during the run or afterwards. */
export function planRecordOf({ pipeline, stages }: Pick<Plan, "pipeline" | "stages">): PlanRecord {
  return {
    format: 1,
    stages: Array.from(stages.values(), ({ id, stage, joins, state, manifest }) => ({
      id,
      kind: stage.kind.name,
      reads: [...new Set(readsOf(stage))],
      ...joins.length > 0 && { shards: [...joins] },
      state,
      result: manifest?.resolvedKey ?? null,
      params: paramsOf(stage, pipeline),
      sampler: (stage.params["preview"] as { readonly sampler?: unknown } | undefined)?.sampler,
    })),
  };
}

/** Returns the ids under which a run records a planned stage and the actions that it joins. */
export function recordedIds({ id, shards = [] }: PlanRecord["stages"][number]): string[] {
  return [id, ...shards];
}

/** The params of a stage that decide its result, with its seed. */
function paramsOf({ entry, kind, params, seed }: Stage, pipeline: Pipeline): PlanRecord["stages"][number]["params"] {
  const { origins } = pipeline;
  const base = ["stages", entry];
  const deciding = Object.entries(params).filter(([name]) => kind.roles[name]?.role !== "execution");
  const own = seed === pipeline.seed ? [] : base;
  const leaves = [
    ...leavesIn([...base, "with"], Object.fromEntries(deciding), origins),
    ...kind.seeded ? [{ path: [...base, "seed"], value: seed, origin: origins.explain([...own, "seed"]) }] : [],
  ];
  return leaves.slice(0, MAX_PARAMS).map(({ path, value, origin }) => {
    const text = JSON.stringify(value) ?? "";
    return {
      path: path.slice(base.length).join("."),
      value: text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : value,
      origin: origin.slice(0, MAX_STEPS).map((one) => one.slice(0, MAX_TEXT)),
    };
  });
}
