import type { PlanRecord } from "../../schemas/records.ts";
import { readsOf, type Stage } from "../keys/stage.ts";
import { type Leaf, leavesIn } from "../pipeline/leaves.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { Plan } from "./plan.ts";

/** What is longer is for the file itself, not for a page. */
const MAX_TEXT = 200;
const MAX_PARAMS = 100;
const MAX_STEPS = 4;

/** What a run is about to do, for whoever looks at it while it is on and afterwards. */
export function planRecordOf({ pipeline, stages }: Plan): PlanRecord {
  return {
    format: 1,
    stages: Array.from(stages.values(), ({ stage, state, manifest }) => ({
      id: stage.id,
      kind: stage.kind.name,
      reads: [...new Set(readsOf(stage))],
      state,
      result: manifest?.resolvedKey ?? null,
      // A shard's are those of the whole.
      params: stage.shard === undefined ? paramsOf(stage, pipeline) : [],
    })),
  };
}

/** The params of a stage that decide its result. */
function paramsOf({ entry, kind, params, seed }: Stage, pipeline: Pipeline): PlanRecord["stages"][number]["params"] {
  const { origins } = pipeline;
  const base = ["stages", entry];
  const deciding = Object.entries(params).filter(([name]) => kind.roles[name]?.role !== "execution");
  const leaves = leavesIn([...base, "with"], Object.fromEntries(deciding), origins).take(MAX_PARAMS).toArray();
  const ofSeed: Leaf[] = kind.seeded
    ? [...leavesIn(seed === pipeline.seed ? ["seed"] : [...base, "seed"], seed, origins)]
    : [];
  return [...leaves, ...ofSeed].map(({ path, value, origin }) => ({
    path: path.slice(path[0] === "stages" ? base.length : 0).join("."),
    value: shorten(value),
    origin: origin.slice(0, MAX_STEPS).map((one) => one.slice(0, MAX_TEXT)),
  }));
}

function shorten(value: unknown): unknown {
  const text = JSON.stringify(value) ?? "";
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : value;
}
