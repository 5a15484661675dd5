import { initialParameters, makeNetwork, type NamedArrays, type Network } from "../../science/diffusion/network.ts";
import { type UnetConfig, unetSizes } from "../../science/diffusion/unet/config.ts";
import unet from "../../science/diffusion/unet/network.ts";

/** Returns the U-Net of a configuration. */
export function unetOf(config: UnetConfig): Network {
  const sizes = unetSizes(config);
  const { multipliers, attention } = config;
  const params = { ...config, multipliers: [...multipliers], attention: [...attention] };
  return makeNetwork(sizes, unet.build(sizes, params));
}

/**
 * Returns new parameters of a network, initialised from given uniform numbers.
 * @param uniforms in (0, 1], called once for each random parameter
 */
export function startOf(
  network: Network,
  uniforms: (count: number, i: number) => Float32Array<ArrayBuffer>,
): NamedArrays {
  return initialParameters(network, (i, kind, count) => {
    if (kind === "normal") throw new Error("No parameter of a U-Net starts normal");
    return uniforms(count, i);
  });
}
