import type { PureFunction, Signature } from "../tensor/device.ts";
import { countParameters } from "./unet/parameters.ts";
import type { UnetConfig } from "./unet/config.ts";
import { unet } from "./unet/unet.ts";
import { unpackTensors } from "./unet/unpack_tensors.ts";

/**
 * The noise prediction alone, for evaluation. Inputs: `params` [P], `x` [B, H, W, C], `t` [B]. Output: `eps`
 * [B, H, W, outChannels].
 */
export function makeEpsModel(config: UnetConfig): PureFunction {
  return ({ params, x, t }) => {
    if (params === undefined || x === undefined || t === undefined) {
      throw new RangeError("Noise prediction: wanted inputs params, x and t");
    }
    return { eps: unet(unpackTensors(params, config), x, t, config) };
  };
}

/** Inputs of `makeEpsModel(config)` for batches of `batch` images. */
export function epsModelSignature(config: UnetConfig, batch: number): Signature {
  return {
    params: { shape: [countParameters(config)], dtype: "float32" },
    x: { shape: [batch, config.imageSize, config.imageSize, config.inChannels], dtype: "float32" },
    t: { shape: [batch], dtype: "int32" },
  };
}
