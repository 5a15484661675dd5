import type { Timing } from "../../schemas/records.ts";
import type { Pipeline } from "../pipeline.ts";
import type { PlannedStage } from "../plan/plan.ts";
import { machineClass } from "../store/machine.ts";
import type { Store } from "../store/store.ts";

/** Keep how long a stage took, or a little of its work. */
export function recordTiming(
  store: Store,
  pipeline: Pipeline,
  { stage, fromStep, device }: PlannedStage,
  took: Pick<Timing, "durationMs" | "overheadMs"> & Partial<Timing>,
): void {
  store.timings.add({
    pipeline: pipeline.name,
    stage: stage.id,
    kind: stage.kind.name,
    numerics: device?.numerics ?? null,
    machine: machineClass(),
    workGflop: stage.workGflop ?? null,
    workShape: stage.workShape ?? null,
    likeness: stage.likeness ?? null,
    extent: stage.extent ?? null,
    fromStep: fromStep ?? null,
    probe: false,
    ...took,
  });
}
