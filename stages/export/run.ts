import { readAutoencoder, type StoredAutoencoder } from "../../artifacts/autoencoder.ts";
import { readCheckpoint, type StoredCheckpoint } from "../../artifacts/checkpoint.ts";
import { jsonText } from "../../artifacts/record.ts";
import { toTheirAutoencoder } from "../../science/diffusion/interchange/autoencoder_config.ts";
import { toAutoencoderTensors } from "../../science/diffusion/interchange/autoencoder_tensors.ts";
import { toChainConfig } from "../../science/diffusion/interchange/scheduler_config.ts";
import { toUnet2dConfig } from "../../science/diffusion/interchange/unet2d_config.ts";
import { toUnet2dTensors } from "../../science/diffusion/interchange/unet2d_tensors.ts";
import { learnsVariance, unpackParameters } from "../../science/diffusion/network.ts";
import { DEFAULT_OBJECTIVE } from "../../science/diffusion/objectives.ts";
import { encodeSafetensors } from "../../science/formats/safetensors.ts";
import { DIFFUSERS_FILES, METADATA_KEY } from "../shared/diffusers_files.ts";
import { isOwn } from "../../schemas/definitions.ts";
import { failedBy } from "../shared/checks.ts";
import { runOf } from "../shared/run_of.ts";
import { exportKind } from "./kind.ts";

export default runOf(exportKind, async ({ params: { format, weights }, inputs, outputs, definitions }) => {
  // A model of ONNX is made by code that a folder for diffusers does not need.
  const onnx = format === "onnx" ? await import("./onnx_models.ts") : undefined;
  const exported = inputs.checkpoint.type === "autoencoder"
    ? await (onnx?.coderModels ?? toAutoencoder)(await readAutoencoder(inputs.checkpoint, weights, definitions))
    : await (onnx?.networkModel ?? toDiffusers)(await readCheckpoint(inputs.checkpoint, weights, definitions));
  if ("problem" in exported) return failedBy(exported.problem);
  for (const [name, content] of Object.entries(exported.value)) await outputs.files.write(name, content);
  return undefined;
});

/** The release of diffusers whose layout is written; see docs/interchange.md. */
const VERSION = "0.42.1";

/** Returns the files of a `DDPMPipeline` with the checkpoint's network and chain, by name. */
export function toDiffusers({ config, network, path, params }: StoredCheckpoint) {
  const { model, objective = DEFAULT_OBJECTIVE, schedule: spec } = config;
  if (isOwn(model) || isOwn(objective) || !("name" in spec)) {
    throw new Error("Cannot happen: the check of the kind refuses them");
  }
  const own = toChainConfig({ spec, betas: path.tables!.betas, objective }, learnsVariance(network.sizes));
  const { images: { source }, step, seed, ema, schedule } = config;
  const weights = encodeSafetensors({
    tensors: toUnet2dTensors(unpackParameters(params, network), model),
    // Loaders of PyTorch weights look for "format".
    metadata: { format: "pt", [METADATA_KEY]: JSON.stringify({ source, step, seed, ema, schedule }) },
  });
  const { _class_name: name, ...scheduler }: Record<string, unknown> = { ...own, ...config.scheduler };
  const ddim = name === "DDIMScheduler";
  if (ddim) delete scheduler["variance_type"];
  return {
    value: {
      [DIFFUSERS_FILES.index]: jsonText({
        ...header(ddim ? "DDIMPipeline" : "DDPMPipeline"),
        scheduler: ["diffusers", name],
        unet: ["diffusers", "UNet2DModel"],
      }),
      [DIFFUSERS_FILES.unetConfig]: jsonText({ ...header("UNet2DModel"), ...toUnet2dConfig(model) }),
      [DIFFUSERS_FILES.unetWeights]: weights,
      [DIFFUSERS_FILES.schedulerConfig]: jsonText({ ...header(String(name)), ...scheduler }),
    },
  };
}

function header(className: string) {
  return { _class_name: className, _diffusers_version: VERSION };
}

/** Returns the files of an `AutoencoderKL` or `VQModel`, by name. */
function toAutoencoder({ config: { model, factor = 1, images }, build }: StoredAutoencoder) {
  if (isOwn(model)) throw new Error("Cannot happen: the check of the kind refuses it");
  const theirs = toTheirAutoencoder({ config: model, factor });
  const { autoencoder, params } = build(images);
  const tensors = toAutoencoderTensors(unpackParameters(params, autoencoder), model);
  return {
    value: {
      "config.json": jsonText({ ...theirs, ...header(theirs._class_name) }),
      "diffusion_pytorch_model.safetensors": encodeSafetensors({ tensors, metadata: { format: "pt" } }),
    },
  };
}
