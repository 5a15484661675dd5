import type { ParameterSpec } from "../define.ts";
import { groupsFor, type UnetConfig } from "../unet/config.ts";
import { InterchangeError } from "./problem.ts";

/** Returns the different default numbers of groups of a network's normalisations, ascending. */
export function normGroupsOf(specs: readonly ParameterSpec[]): number[] {
  const norms = specs.filter(({ name }) => name.endsWith(".scale"));
  return [...new Set(norms.map(({ shape }) => groupsFor(shape[0]!)))].sort((a, b) => a - b);
}

/**
 * Returns the number of groups that a network of diffusers has in all its normalisations.
 *
 * @param model the library's name of the network @throws InterchangeError if it cannot have the widths of this one
 */
export function libraryGroups(
  { channels, multipliers, groups: told }: Pick<UnetConfig, "channels" | "multipliers" | "groups">,
  specs: readonly ParameterSpec[],
  model: string,
): number {
  if (multipliers[0] !== 1) {
    const message = `the first convolution of a ${model} has the width of its first level`;
    const fix = "train with channels that are the width of the first level";
    const got = `multipliers: [${multipliers.join(", ")}]`;
    throw new InterchangeError({ message, got, wanted: "1 as the first of them", fix });
  }
  const groups = told === undefined ? normGroupsOf(specs) : [told];
  if (groups.length === 1) return groups[0]!;
  throw new InterchangeError({
    message:
      `layers of this network have different numbers of normalisation groups, and a ${model} has one number for all`,
    got: `channels ${channels}: ${groups.join(", ")} groups`,
    wanted: "one number of groups",
    fix: "train with model.groups, such as 32, or with channels a multiple of 32 and at least 128, as in the paper: " +
      "all layers then have 32 groups",
  });
}
