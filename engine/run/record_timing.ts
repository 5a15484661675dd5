import type { Timing } from "../../schemas/records.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { PlannedStage } from "../plan/plan.ts";
import { machineClass } from "../store/machine.ts";
import type { Store } from "../store/store.ts";

/** Keep how long a stage took, or a little of its work. */
export function recordTiming(
  store: Store,
  { name: pipeline }: Pipeline,
  planned: PlannedStage,
  took: Pick<Timing, "durationMs" | "overheadMs"> & Partial<Timing>,
): void {
  const { stage, fromStep = null, device } = planned;
  const { id, kind, workGflop = null, workShape = null, likeness = null, extent = null } = stage;
  const what = { pipeline, stage: id, kind: kind.name, workGflop, workShape, likeness, extent, fromStep };
  const numerics = device?.numerics ?? null;
  store.timings.add({ ...what, numerics, machine: machineClass(), probe: false, ...took });
}
