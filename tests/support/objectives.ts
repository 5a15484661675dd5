import type { MixtureObjective, TargetMixture, TimePoint } from "../../diffusion/define.ts";
import type { Objective } from "../../diffusion/objective.ts";
import { chainPath, timePoint } from "../../diffusion/path.ts";
import type { DiffusionTables } from "../../diffusion/schedule/tables.ts";

export { builtinObjective as objectiveNamed } from "../../diffusion/objectives.ts";

/** What a network of this objective should say. */
export function targetAt({ definition, params }: Objective, at: TimePoint): TargetMixture {
  return (definition as MixtureObjective).target(at, params);
}

/** A place on the path of a chain. */
export function onChain({ tables, t }: { readonly tables: DiffusionTables; readonly t: number }): TimePoint {
  return timePoint(chainPath(tables), t);
}
