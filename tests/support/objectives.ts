import type { MixtureObjective, TargetMixture, TimePoint } from "../../science/diffusion/define.ts";
import type { LossOptions } from "../../science/diffusion/loss_tables.ts";
import type { Objective } from "../../science/diffusion/objective.ts";
import { builtinObjective } from "../../science/diffusion/objectives.ts";
import { chainPath, timePoint } from "../../science/diffusion/path.ts";
import { type DiffusionTables, makeTables } from "../../science/diffusion/schedule/tables.ts";

export { builtinObjective as objectiveNamed };

/** The loss of Ho et al. 2020 on some chain. */
export const SIMPLE_LOSS: LossOptions = {
  objective: builtinObjective("eps"),
  path: chainPath(makeTables(new Float64Array(10).fill(0.1))),
};

/** Returns the target of a network with this objective. */
export function targetAt({ definition, params }: Objective, at: TimePoint): TargetMixture {
  return (definition as MixtureObjective).target(at, params);
}

/** Returns a point in time on the path of a chain. */
export function onChain({ tables, t }: { readonly tables: DiffusionTables; readonly t: number }): TimePoint {
  return timePoint(chainPath(tables), t);
}
