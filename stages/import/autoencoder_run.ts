import { writeAutoencoder } from "../../artifacts/autoencoder.ts";
import { checked } from "../../artifacts/record.ts";
import type { OutputArtifact } from "../../engine/contract/stage.ts";
import { makeAutoencoder } from "../../science/diffusion/autoencoder/autoencoder.ts";
import { BUILTIN_AUTOENCODER } from "../../science/diffusion/autoencoders.ts";
import {
  fromAutoencoderTensors,
  fromLdmTensors,
  selectLdmTensors,
} from "../../science/diffusion/interchange/autoencoder_tensors.ts";
import { packParameters } from "../../science/diffusion/network.ts";
import { readTorchStateDict } from "../../science/formats/torch/state_dict.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { DIFFUSERS_FILES } from "../shared/diffusers_files.ts";
import { findFile, readAutoencoderConfig } from "./configs.ts";
import { namedTensors, readTensors } from "./weights.ts";

/**
 * Writes an autoencoder that another program saved.
 *
 * @throws FormatError for a file that is missing or broken
 * @throws InterchangeError if it cannot be expressed in noiseline
 */
export async function importAutoencoder(
  { path, factor: wanted }: { readonly path: string; readonly factor?: number | undefined },
  output: OutputArtifact,
  note: (message: string) => void,
): Promise<undefined> {
  const { config: model, named, leftOut, factor } = await readPublished(path);
  if (leftOut.length > 0) note(`not of the autoencoder, and left out: ${leftOut.join(", ")}`);
  // The smallest images that it takes: nothing says the size of those that it was trained on.
  const side = 2 ** (model.multipliers.length - 1);
  const images = { height: side, width: side, channels: model.imageChannels, source: { name: "import" } };
  const definition = await BUILTIN_AUTOENCODER.load();
  const layout = makeAutoencoder(images, definition.build(images, model));
  const weights = packParameters(named, layout);
  const ema = { decay: 0, warmup: false };
  const config = { model, images, step: 0, parameters: layout.count, ema, seed: 0 };
  const declared = definedOnly({ factor: wanted ?? factor });
  await writeAutoencoder(output, {
    config: { ...config, ...declared },
    layout,
    weights: { raw: weights, ema: weights },
  });
  return undefined;
}

/** Reads an autoencoder, its weights by name, and the names of other parts of its file. */
async function readPublished(path: string) {
  const config = readAutoencoderConfig(path);
  if (config === undefined) {
    const all = await checked(path, () => readTorchStateDict(Deno.readFileSync(path), { entry: "state_dict" }));
    const { tensors, leftOut } = selectLdmTensors(Object.fromEntries(all));
    return { ...fromLdmTensors(namedTensors(path, tensors)), factor: undefined, leftOut };
  }
  const { name, path: file } = findFile(path, DIFFUSERS_FILES.vaeWeights, DIFFUSERS_FILES.olderVaeWeights);
  const { tensors } = await readTensors(name, file);
  return { ...config, named: fromAutoencoderTensors(tensors, config.config), leftOut: [] };
}
