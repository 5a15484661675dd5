import { type CheckpointFacts, type ImageFacts, readAutoencoderFacts } from "../../../artifacts/facts.ts";
import type { CheckProblem, Facts } from "../../../engine/contract/stage.ts";
import { chainPath } from "../../../science/diffusion/path.ts";
import { builtinSampler, samplerParams } from "../../../science/diffusion/samplers.ts";
import { makeTables } from "../../../science/diffusion/schedule/tables.ts";
import { isOwn, ownable } from "../../../schemas/definitions.ts";
import { definedOnly } from "../../../std/defined_only.ts";
import { autoencoderWork, decodedSize, networkWork } from "../work.ts";
import { checkSameSize, checkWeightsName, diskOf, problemsOf } from "../checks.ts";
import { longRunningParams, positiveInt, weightsParam } from "../common_params.ts";
import { checkSampler, type SamplerParam } from "./sampler.ts";

/** Params of stages that sample starting from given images. */
export const samplingParams = () => ({
  sampler: ownable(samplerParams.default({ name: "ancestral", variance: "fixedlarge" }).describe("How to sample")),
  weights: weightsParam(),
  batchSize: positiveInt(65_536).default(64).describe("Images drawn at a time"),
  ...longRunningParams(),
});

/** Reports everything that prevents a stage from sampling with given images. */
export function checkSampling(
  { sampler, weights }: { readonly sampler: SamplerParam; readonly weights: string },
  { checkpoint, images, own }: {
    readonly checkpoint: CheckpointFacts | undefined;
    readonly images: ImageFacts | undefined;
    readonly own?: Facts | undefined;
  },
): CheckProblem[] {
  return problemsOf(
    checkpoint !== undefined && checkSampler(sampler, checkpoint, own),
    checkWeightsName(weights, checkpoint),
    checkSameSize("images", images, { name: "those of the checkpoint", size: checkpoint }),
  );
}

/** Returns the last time at which a sampler evaluates the network; 0 if T alone does not determine it. */
export function lastTime(param: SamplerParam, timesteps: number): number {
  if (isOwn(param)) return 0;
  const { definition, params } = builtinSampler(param);
  // A path of T steps whose levels must not be read.
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

/** Latents that pictures show decoded: so many, */
const PICTURED = 64;
/** and so many at a time. */
export const SHOWN_AT_ONCE = 8;

/**
 * Returns the facts of images that a network will sample, and of the work.
 * @param walks number of images that are sampled along the whole chain; may be a fraction
 * @param together number of evaluations of the network per image in one batch
 * @param inputs of the stage, whose autoencoder decodes what pictures show
 */
export function samplingFacts(
  checkpoint: CheckpointFacts,
  { sampler, batchSize }: { readonly sampler: SamplerParam; readonly batchSize: number },
  { count, walks, together = 1, inputs, classes }: {
    readonly count: number;
    readonly walks: number;
    readonly together?: number;
    readonly inputs: { readonly autoencoder?: Facts | undefined };
    readonly classes?: number | null | undefined;
  },
) {
  const { height, width, channels, dtype, latent, timesteps, network } = checkpoint;
  // For a user's sampler only the run finds out.
  const { definition, params } = isOwn(sampler) ? {} : builtinSampler(sampler);
  const evaluations = timesteps === undefined ? undefined : definition?.evaluations?.(params!, timesteps);
  const samples = definedOnly({ count, height, width, channels, dtype, latent, classes });
  const { autoencoder: model, channels: colours } = readAutoencoderFacts(inputs.autoencoder) ?? {};
  const shown = { ...decodedSize(model, checkpoint), ...definedOnly({ channels: colours }) };
  const decoding = { halves: ["decoder"], passes: Math.min(count, PICTURED), batch: SHOWN_AT_ONCE } as const;
  const besides = autoencoderWork(model, shown, decoding);
  const passes = evaluations && walks * evaluations;
  return { facts: { samples }, ...diskOf(samples), ...networkWork(network, passes, batchSize, { together, besides }) };
}
