import { defineNetwork } from "../define.ts";
import { unetConfig, unetParams } from "./config.ts";
import { unetParameterSpecs } from "./parameters.ts";
import { unet } from "./unet.ts";

/** The U-Net of Ho et al. 2020 (appendix B; hojonathanho/diffusion, `unet.py`). */
export default defineNetwork({
  params: unetParams,
  build(sizes, params) {
    const config = unetConfig(sizes, params);
    return { parameters: unetParameterSpecs(config), forward: (inputs) => unet(inputs, config) };
  },
});
