import { z } from "zod";
import type { Facts, InputArtifact, OutputArtifact } from "../engine/contract/stage.ts";
import { formRecord } from "../science/diffusion/normalizer.ts";
import { countOf, type Network } from "../science/diffusion/network.ts";
import { decodeVectors, encodeVectors, vectorOf } from "../science/formats/vectors.ts";
import { type ClassifierConfig, classifierParameters } from "../science/metrics/features/classifier_network.ts";
import { definedOnly } from "../std/defined_only.ts";
import { latentFact } from "./facts.ts";
import { checkWeights, readBytes, readJson, writeJson } from "./record.ts";

/** Artifact of type `classifier`: `classifier.json` and its weights, flat. */
const CONFIG_FILE = "classifier.json";
const WEIGHTS_FILE = "weights.safetensors";

const size = z.int().min(1);
const configSchema = z.strictObject({
  network: z.strictObject({ height: size, width: size, channels: size, classes: size, base: size }),
  steps: size,
  seed: z.int().min(0),
  /** Accuracy on held-out images, in [0, 1]; null if there were none. */
  accuracy: z.number().min(0).max(1).nullable(),
  /** The form of the images that it was trained on. */
  ...formRecord,
  images: z.record(z.string(), z.unknown()),
});

interface StoredClassifier {
  readonly config: z.output<typeof configSchema>;
  /** [P] */
  readonly params: Float32Array<ArrayBuffer>;
}

export async function writeClassifier(output: OutputArtifact, { config, params }: StoredClassifier): Promise<void> {
  checkWeights(WEIGHTS_FILE, params);
  await writeJson(output, CONFIG_FILE, config, configSchema);
  await output.write(WEIGHTS_FILE, encodeVectors({ params }));
}

/** @throws FormatError when the artifact's files are not those of `writeClassifier`, or weights are not finite */
export async function readClassifier(artifact: InputArtifact): Promise<StoredClassifier> {
  const config = await readJson(artifact, CONFIG_FILE, configSchema);
  const { vectors } = decodeVectors(await readBytes(artifact, WEIGHTS_FILE));
  const { count: length } = layoutOf(config.network);
  const params = vectorOf(vectors, "params", { file: WEIGHTS_FILE, type: Float32Array, length });
  checkWeights(WEIGHTS_FILE, params);
  return { config, params };
}

/** Parameters of a classifier as one flat vector. */
export function layoutOf(config: ClassifierConfig): Pick<Network, "parameters" | "count"> {
  const parameters = classifierParameters(config);
  return { parameters, count: countOf(parameters) };
}

export { readClassifier as validate };

export async function facts(artifact: InputArtifact): Promise<Facts> {
  const { network, dtype, encoder } = await readJson(artifact, CONFIG_FILE, configSchema);
  return { ...network, ...definedOnly({ dtype }), ...latentFact(encoder) };
}
