import type { NamedArrays } from "../network.ts";
import type { UnetConfig } from "../unet/config.ts";
import { unetParameterSpecs } from "../unet/plan.ts";
import { diffusersNames, fromTorchTensors, type TorchTensor, toTorchTensors } from "./tensors.ts";

/** Returns the state dict of the `UNet2DModel` of `toUnet2dConfig(config)`. @param named as from `unpackParameters` */
export function toUnet2dTensors(named: Readonly<Record<string, Float32Array>>, config: UnetConfig) {
  return toTorchTensors(named, unetParameterSpecs(config), diffusersNames(config.multipliers.length));
}

/**
 * Returns the parameters from the state dict of a `UNet2DModel`.
 * @throws InterchangeError with all tensors that do not fit
 */
export function fromUnet2dTensors(tensors: Readonly<Record<string, TorchTensor>>, config: UnetConfig): NamedArrays {
  return fromTorchTensors(tensors, unetParameterSpecs(config), {
    dialect: diffusersNames(config.multipliers.length),
    message: "the weights are not those of the network that their config.json describes",
    fix: "take config.json and the weights from one save_pretrained of a UNet2DModel",
  });
}
