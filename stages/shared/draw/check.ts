import type { CheckpointFacts, ImageFacts } from "../../../artifacts/facts.ts";
import type { CheckProblem, Facts } from "../../../contract/stage.ts";
import { chainPath } from "../../../diffusion/path.ts";
import { builtinSampler, samplerParams } from "../../../diffusion/samplers.ts";
import { makeTables } from "../../../diffusion/schedule/tables.ts";
import { isOwn, ownable } from "../../../schemas/definitions.ts";
import { networkWork } from "../../train/work.ts";
import { checkSameSize, problemsOf } from "../checks.ts";
import { longRunningParams, positiveInt, weightsParam } from "../common_params.ts";
import { checkSampler, type SamplerParam } from "./sampler.ts";

/** Params of stages that draw with images that are given. */
export const walkParams = () => ({
  sampler: ownable(samplerParams.default({ name: "ancestral", variance: "fixedlarge" }).describe("How to sample")),
  weights: weightsParam(),
  batchSize: positiveInt(65_536).default(64).describe("Images drawn at a time"),
  ...longRunningParams(),
});

/** What keeps a stage from drawing with images that are given. */
export function checkWalk(
  sampler: SamplerParam,
  { checkpoint, images, own }: {
    readonly checkpoint: CheckpointFacts | undefined;
    readonly images: ImageFacts | undefined;
    readonly own?: Facts | undefined;
  },
): CheckProblem[] {
  return problemsOf(
    checkpoint !== undefined && checkSampler(sampler, checkpoint, own),
    checkSameSize("images", images, { name: "those of the checkpoint", size: checkpoint }),
  );
}

/** The last time at which a sampler asks the network; 0 where T alone does not say it. */
export function lastTime(param: SamplerParam, timesteps: number): number {
  if (isOwn(param)) return 0;
  const { definition, params } = builtinSampler(param);
  // Some chain, whose levels nobody may look at.
  const unknown = () => {
    throw new RangeError("The path is not known before the run");
  };
  const path = { ...chainPath(makeTables(new Float64Array(timesteps).fill(0.5))), signal: unknown, noise: unknown };
  try {
    return definition.times(params, path).at(-2) ?? 0;
  } catch (error) {
    if (error instanceof RangeError) return 0;
    throw error;
  }
}

/**
 * What is known of images that a network will draw, and of the work.
 * @param walks images that are walked through the chain, or shares of them
 * @param together times that the network is asked about an image at once
 */
export function drawingFacts(
  { height, width, channels, timesteps, network }: CheckpointFacts,
  { sampler, batchSize }: { readonly sampler: SamplerParam; readonly batchSize: number },
  { count, walks, together = 1, classes }: {
    readonly count: number;
    readonly walks: number;
    readonly together?: number;
    readonly classes?: number | null | undefined;
  },
) {
  // Of a sampler of the user's own only the run finds out.
  const { definition, params } = isOwn(sampler) ? {} : builtinSampler(sampler);
  const evaluations = timesteps === undefined ? undefined : definition?.evaluations?.(params!, timesteps);
  const samples = { count, height, width, channels, ...(classes === undefined ? {} : { classes }) };
  const memory = { images: together * batchSize, data: count * height * width * channels };
  return { facts: { samples }, ...networkWork(network, evaluations && walks * evaluations, batchSize, memory) };
}
