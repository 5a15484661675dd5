import * as tf from "@tensorflow/tfjs-core";
import { residualBlock } from "../blocks.ts";
import { defineAutoencoder, type EncodeInputs } from "../define.ts";
import { conv, dense, norm, silu, upsample } from "../layers.ts";
import { type AutoencoderConfig, autoencoderConfig, autoencoderParams, latentSizes } from "./config.ts";
import { autoencoderParameterSpecs, type AutoencoderStep, CODEBOOK, planAutoencoder } from "./plan.ts";
import { quantize } from "./quantize.ts";

/** The range of log variances (CompVis/latent-diffusion, `modules/distributions/distributions.py`). */
const [MIN_LOG_VARIANCE, MAX_LOG_VARIANCE] = [-30, 20];

/** The autoencoders of Rombach et al. 2022 (appendix G; CompVis/latent-diffusion, `models/autoencoder.py`). */
export default defineAutoencoder({
  params: autoencoderParams,
  build(sizes, params) {
    const config = autoencoderConfig(sizes, params);
    const parameters = autoencoderParameterSpecs(config);
    const { encoder, decoder } = planAutoencoder(config);
    return {
      parameters,
      latent: latentSizes(config, sizes),
      encode(inputs) {
        const h = run(encoder, inputs.x, inputs, config);
        if (config.kind === "vq") return { mean: h };
        const [mean, logVariance] = tf.split(h, 2, 3) as [tf.Tensor, tf.Tensor];
        return { mean, logVariance: tf.clipByValue(logVariance, MIN_LOG_VARIANCE, MAX_LOG_VARIANCE) };
      },
      decode: (inputs) => run(decoder, inputs.z, inputs, config),
      ...(config.kind === "vq" ? { quantize: ({ weights, z }) => quantize(z, weights[CODEBOOK]!) } : {}),
    };
  },
});

function run(
  steps: readonly AutoencoderStep[],
  start: tf.Tensor,
  { weights, dropout }: Pick<EncodeInputs, "weights" | "dropout">,
  details: AutoencoderConfig,
): tf.Tensor {
  return steps.reduce((h, step) => {
    const { layer, name } = step;
    if (layer === "block") return residualBlock(weights, step, h, { drop: dropout, details });
    if (layer === "norm") return silu(norm(weights, name, h, details));
    if (layer === "dense") return dense(weights, name, h);
    return conv(weights, name, layer === "up" ? upsample(h) : h, { stride: layer === "down" ? 2 : 1 });
  }, start);
}
