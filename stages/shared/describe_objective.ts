import type { Objective } from "../../diffusion/objective.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { needsSignal } from "./checks.ts";

/** What checks know of an objective before anything runs. */
export type ObjectiveFacts = ReturnType<typeof objectiveFacts>;

export function objectiveFacts(objective: Objective) {
  const { definition } = objective;
  const free = "loss" in definition;
  return {
    /** Whether it is a loss of any form, with no target that is a mixture. */
    free,
    weighted: !free && definition.weight !== undefined,
    /** Whether its output gives no x_0 where no signal is left. */
    needsSignal: needsSignal(objective),
    ...definedOnly({ needs: definition.needs, sampler: free ? definition.sampler : undefined }),
  };
}
