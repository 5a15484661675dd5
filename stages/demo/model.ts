import type { StoredDecoder } from "../../artifacts/autoencoder.ts";
import { labelFacts, type StoredCheckpoint } from "../../artifacts/checkpoint.ts";
import type { OwnDefinition } from "../../engine/contract/stage.ts";
import { learnsVariance } from "../../science/diffusion/network.ts";
import { samplerParams } from "../../science/diffusion/samplers.ts";
import { isOwn } from "../../schemas/definitions.ts";
import { isError } from "../shared/checks.ts";
import { checkSampler, chooseSampler, type SamplerParam } from "../shared/draw/sampler.ts";
import type { Model } from "./browser/protocol.ts";

/** Returns the facts about a network that its page needs. @param given the sampler at the start */
export function modelOf(
  { config, network: { sizes }, path: { timesteps, tables } }: StoredCheckpoint,
  decoder: StoredDecoder | undefined,
  given: SamplerParam,
  definitions: readonly OwnDefinition[],
): Model {
  const learnedVariance = learnsVariance(sizes);
  const known = { timesteps, learnedVariance, variancePreserving: tables !== undefined, ownSampler: config.ownSampler };
  const usual = ["ddim", "dpmpp-2m", "heun", "ancestral"].filter((name) => isOwn(given) || given.name !== name);
  const variance = learnedVariance ? "learned" : "fixedsmall";
  const others = usual.map((name) => samplerParams.parse({ name, ...(name === "ancestral" ? { variance } : {}) }));
  const fits = (param: SamplerParam) =>
    !checkSampler(param, known, chooseSampler(param, definitions).definition).some(isError);
  const { height, width, channels } = decoder?.imagesOf(config.images) ?? config.images;
  return {
    images: { height, width, channels },
    ...labelFacts(config),
    timesteps,
    samplers: [given, ...others.filter(fits)],
  };
}
