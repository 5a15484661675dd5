import type { NamedArrays } from "../network.ts";
import type { UnetConfig } from "../unet/config.ts";
import { AUGMENTATION_EMBEDDING, unetParameterSpecs } from "../unet/plan.ts";
import type { Translated } from "./problem.ts";
import { diffusersNames, fromTorchTensors, linksOf, type TorchTensor, toTorchTensors } from "./tensors.ts";

/** Returns the state dict of the `UNet2DModel` of `toUnet2dConfig(config)`. @param named as from `unpackParameters` */
export function toUnet2dTensors(named: Readonly<Record<string, Float32Array>>, config: UnetConfig) {
  return toTorchTensors(named, unet2dLinks(config));
}

/** Returns the parameters from the state dict of a `UNet2DModel`, or all tensors that do not fit. */
export function fromUnet2dTensors(
  tensors: Readonly<Record<string, TorchTensor>>,
  config: UnetConfig,
): Translated<NamedArrays> {
  return fromTorchTensors(tensors, unet2dLinks(config), {
    specs: unetParameterSpecs(config),
    message: "the weights are not those of the network that their config.json describes",
    fix: "take config.json and the weights from one save_pretrained of a UNet2DModel",
  });
}

/**
 * Returns every tensor of the `UNet2DModel` that belongs to a configuration, in the order of noiseline's parameters.
 *
 * @param config must have no problems (see `validateUnetConfig`)
 */
function unet2dLinks(config: UnetConfig) {
  const dialect = diffusersNames(config.multipliers.length);
  // A network that samples is told of no augmentation: the layer adds zeros.
  return unetParameterSpecs(config).filter(({ name }) => name !== AUGMENTATION_EMBEDDING).flatMap((spec) =>
    linksOf(spec, dialect)
  );
}
