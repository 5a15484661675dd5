import type { AutoencoderConfig } from "../autoencoder/config.ts";
import { autoencoderParameterSpecs } from "../autoencoder/plan.ts";
import { shapesOf } from "../misfits.ts";
import type { NamedArrays } from "../network.ts";
import { fromLdmShapes } from "./autoencoder_config.ts";
import { type Dialect, diffusersNames, fromTorchTensors, SHARED_NAMES } from "./tensors.ts";
import { type TorchTensor, toTorchTensors } from "./tensors.ts";

type Tensors = Readonly<Record<string, TorchTensor>>;

/** Returns the state dict of the model of `toTheirAutoencoder`. @param named as from `unpackParameters` */
export function toAutoencoderTensors(named: Readonly<Record<string, Float32Array>>, config: AutoencoderConfig) {
  return toTorchTensors(named, autoencoderParameterSpecs(config), diffusersNames(config.multipliers.length));
}

/**
 * Returns the parameters from the state dict of an `AutoencoderKL` or `VQModel`.
 * @throws InterchangeError with all tensors that do not fit
 */
export function fromAutoencoderTensors(tensors: Tensors, config: AutoencoderConfig): NamedArrays {
  return fromTorchTensors(tensors, autoencoderParameterSpecs(config), {
    dialect: diffusersNames(config.multipliers.length),
    message: "the weights are not those of the autoencoder that their config.json describes",
    fix: "take config.json and the weights from one save_pretrained of an AutoencoderKL or VQModel",
  });
}

/** The names of CompVis/latent-diffusion (`modules/diffusionmodules/model.py`, `models/autoencoder.py`). */
const LDM: Dialect = {
  names: [
    [/\.middle\.attention\./, ".mid.attn_1."],
    [/\.middle\.block\.0\./, ".mid.block_1."],
    [/\.middle\.block\.1\./, ".mid.block_2."],
    [/\.attention\./, ".attn."],
    [/\.(\w+sample)\./, ".$1.conv."],
    [/\.shortcut\./, ".nin_shortcut."],
    [/(attn\S*)\.out\./, "$1.proj_out."],
    ...SHARED_NAMES,
  ],
  attention: ["q", "k", "v"],
  pointwise: /\.(nin_shortcut|qkv|proj_out)\.|^(post_)?quant_conv\./,
};

/** The name under which a diffusion model of LDM keeps its autoencoder. */
const FIRST_STAGE = "first_stage_model.";
/** Parts of a checkpoint that no autoencoder computes with: discriminator and LPIPS, averages, and random colours. */
const LEFT_OUT = /^(loss|model_ema)\.|^colorize$/;

/**
 * Returns the tensors of the autoencoder in a checkpoint of CompVis/latent-diffusion, of an autoencoder or of a
 * diffusion model, by their names in an autoencoder; and the other tensors as text, such as `loss (57)`.
 */
export function selectLdmTensors<T>(stateDict: Readonly<Record<string, T>>) {
  const names = Object.keys(stateDict);
  const prefix = names.some((name) => name.startsWith(FIRST_STAGE)) ? FIRST_STAGE : "";
  const isOwn = (name: string) => name.startsWith(prefix) && !LEFT_OUT.test(name.slice(prefix.length));
  const [own, others] = [names.filter(isOwn), names.filter((name) => !isOwn(name))];
  const partOf = (name: string) => name.slice(name.startsWith(prefix) ? prefix.length : 0).split(".")[0]!;
  return {
    tensors: Object.fromEntries(own.map((name) => [name.slice(prefix.length), stateDict[name]!])),
    leftOut: [...Map.groupBy(others, partOf)].map(([part, { length }]) => `${part} (${length})`),
  };
}

/** Returns the autoencoder of `selectLdmTensors`. @throws InterchangeError with all tensors that do not fit */
export function fromLdmTensors(tensors: Tensors) {
  const config = fromLdmShapes(shapesOf(Object.entries(tensors).map(([name, { shape }]) => ({ name, shape }))));
  const named = fromTorchTensors(tensors, autoencoderParameterSpecs(config), {
    dialect: LDM,
    message: "the weights are not those of an autoencoder of latent-diffusion with the widths that they begin with",
    fix: "take the checkpoint of an AutoencoderKL or VQModel of CompVis/latent-diffusion, with attn_type vanilla",
  });
  return { config, named };
}
