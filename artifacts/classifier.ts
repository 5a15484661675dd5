import { z } from "zod";
import type { Facts, InputArtifact, OutputArtifact } from "../contract/stage.ts";
import { FormatError } from "../formats/format_error.ts";
import { decodeSafetensors, encodeSafetensors } from "../formats/safetensors.ts";
import { countClassifierParameters } from "../metrics/features/classifier_network.ts";
import { checkWeights, readBytes, readJson, writeJson } from "./record.ts";

/** Artifact of type `classifier`: `classifier.json` and its weights, flat. */
const CONFIG_FILE = "classifier.json";
const WEIGHTS_FILE = "weights.safetensors";

const size = z.int().min(1);
const configSchema = z.strictObject({
  network: z.strictObject({ height: size, width: size, channels: size, classes: size, base: size }),
  steps: size,
  seed: z.int().min(0),
  /** Of held-out images, where there were any. */
  accuracy: z.number().min(0).max(1).nullable(),
  images: z.record(z.string(), z.unknown()),
});

export interface StoredClassifier {
  readonly config: z.output<typeof configSchema>;
  /** [P] */
  readonly params: Float32Array<ArrayBuffer>;
}

export async function writeClassifier(output: OutputArtifact, { config, params }: StoredClassifier): Promise<void> {
  checkWeights(WEIGHTS_FILE, params);
  await writeJson(output, CONFIG_FILE, config, configSchema);
  const tensors = { params: { dtype: "F32" as const, shape: [params.length], data: params } };
  await output.write(WEIGHTS_FILE, encodeSafetensors({ tensors }));
}

/** @throws FormatError when the artifact's files are not those of `writeClassifier`, or weights are not finite */
export async function readClassifier(artifact: InputArtifact): Promise<StoredClassifier> {
  const config = await readJson(artifact, CONFIG_FILE, configSchema);
  const data = decodeSafetensors(await readBytes(artifact, WEIGHTS_FILE)).tensors["params"]?.data;
  const wanted = countClassifierParameters(config.network);
  if (!(data instanceof Float32Array) || data.length !== wanted) {
    throw new FormatError(WEIGHTS_FILE, { got: `${data?.length ?? "none"}`, wanted: `${wanted} F32 numbers` });
  }
  checkWeights(WEIGHTS_FILE, data);
  return { config, params: data as Float32Array<ArrayBuffer> };
}

export { readClassifier as validate };

export async function facts(artifact: InputArtifact): Promise<Facts> {
  return (await readJson(artifact, CONFIG_FILE, configSchema)).network;
}
