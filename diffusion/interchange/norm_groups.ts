import type { UnetConfig } from "../unet/config.ts";
import { groupsFor } from "../unet/group_norm.ts";
import { planUnet } from "../unet/plan.ts";

/** Every number of groups that a normalisation of the network has, ascending. */
export function normGroupsOf(config: UnetConfig): number[] {
  const plan = planUnet(config);
  const blocks = [...plan.down.flatMap((level) => level.blocks), ...plan.middle, ...plan.up.flatMap((l) => l.blocks)];
  const widths = blocks.flatMap(({ inChannels, outChannels }) => [inChannels, outChannels]);
  return [...new Set([...widths, plan.headChannels].map(groupsFor))].sort((a, b) => a - b);
}
