import { readStart } from "../../artifacts/checkpoint.ts";
import type { InputArtifact } from "../../engine/contract/stage.ts";
import { type NamedArrays, type Network, packParameters, unpackParameters } from "../../science/diffusion/network.ts";
import { averagesOf } from "../../science/diffusion/recipe.ts";
import type { TrainParams } from "./params.ts";
import { initialWeights, type TrainVectors } from "../shared/training.ts";

/** The weights of a checkpoint that a training starts from. */
export type StartWeights = Awaited<ReturnType<typeof readStartWeights>>;

/** Reads the weights that a training starts from, by the names of its own vectors. */
export async function readStartWeights(
  artifact: InputArtifact,
  { startWeights, ema }: Pick<TrainParams, "startWeights" | "ema">,
) {
  const goesOn = startWeights === "all";
  const { config, shapes, named: params } = await readStart(artifact, goesOn ? "raw" : startWeights);
  const vectors: Partial<Record<keyof TrainVectors, NamedArrays>> = { params };
  for (const { name, vector } of goesOn ? averagesOf(ema) : []) {
    const isKept = name === "ema" || config.ema.others?.[name] !== undefined;
    if (isKept) vectors[vector] = (await readStart(artifact, name)).named;
  }
  // An import does not know its updates, but has had at least one.
  return { config, shapes, vectors, updates: goesOn ? Math.max(1, config.step) : 0 };
}

/** Returns vectors with the weights of a checkpoint, and initial values for what it does not have. */
export function startVectors(
  { vectors }: Pick<StartWeights, "vectors">,
  network: Network,
  { initialised, seed }: { readonly initialised: readonly string[]; readonly seed: number },
): Partial<TrainVectors> {
  const initial = initialised.length === 0 ? {} : unpackParameters(initialWeights(network, seed), network);
  const fresh = Object.fromEntries(initialised.map((name) => [name, initial[name]!]));
  return Object.fromEntries(
    Object.entries(vectors).map(([vector, named]) => {
      const all = network.parameters.map(({ name }) => [name, fresh[name] ?? named![name]!] as const);
      return [vector, packParameters(Object.fromEntries(all), network)];
    }),
  );
}
