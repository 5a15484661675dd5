import type { MixtureObjective, TargetMixture, TimePoint } from "../../diffusion/define.ts";
import { makeObjective, type Objective } from "../../diffusion/objective.ts";
import { type ObjectiveName, OBJECTIVES } from "../../diffusion/objectives.ts";
import { chainPath, timePoint } from "../../diffusion/path.ts";
import type { DiffusionTables } from "../../diffusion/schedule/tables.ts";

/** An objective of the toolkit. */
export function objectiveNamed(name: ObjectiveName): Objective {
  return makeObjective(OBJECTIVES[name], {});
}

/** What a network of this objective should say. */
export function targetAt({ definition, params }: Objective, at: TimePoint): TargetMixture {
  return (definition as MixtureObjective).target(at, params);
}

/** A place on the path of a chain. */
export function onChain({ tables, t }: { readonly tables: DiffusionTables; readonly t: number }): TimePoint {
  return timePoint(chainPath(tables), t);
}
