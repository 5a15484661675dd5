import * as tf from "@tensorflow/tfjs-core";
import type { Autoencoder } from "../../science/diffusion/autoencoder/autoencoder.ts";
import { type AutoencoderLossOptions, autoencoderTerms } from "../../science/diffusion/autoencoder/loss.ts";
import type { ImageSizes } from "../../science/diffusion/define.ts";
import { gradientStepSignature, makeGradientStep } from "../../science/diffusion/gradient_step.ts";
import { definedOnly } from "../../std/defined_only.ts";
import type { NamedTensors, Tensor, TensorSpec } from "../../science/tensor/device.ts";
import { CompileError } from "../../science/tensor/trace/failure.ts";
import { trace } from "../../science/tensor/trace/trace.ts";
import { autoencoderLoss } from "../autoencoder/loss.ts";
import { BATCH, checkTraces, type CodeProblem, thrown } from "./definition_checks.ts";

/**
 * Reports everything wrong with the code of an autoencoder, before it computes anything: the shapes of what encode,
 * quantize, decode and loss give, code that is no pure function or mixes images, and parameters that the loss does not
 * depend on.
 */
export async function checkAutoencoderCode(
  autoencoder: Autoencoder,
  options: AutoencoderLossOptions,
): Promise<CodeProblem[]> {
  const { parameters, encode, quantize, decode } = autoencoder;
  const shapeOf = ({ height, width, channels }: ImageSizes) => [height, width, channels];
  const [image, latent] = [shapeOf(autoencoder.sizes), shapeOf(autoencoder.latent)];
  const dropout = (h: Tensor) => h;
  type Compute = (x: Tensor, weights: Readonly<NamedTensors>) => Tensor;
  const spec = (batch: number, shape: number[]): TensorSpec => ({ shape: [batch, ...shape], dtype: "float32" });
  const check = (what: string, from: number[], shape: number[], compute: Compute) =>
    checkTraces(what, {
      parameters,
      signature: (batch) => ({ x: spec(batch, from) }),
      shape,
      compute: ({ x }, weights) => compute(x!, weights),
      apart: true,
      fixes: { shape: "let it end with a layer or a reshape that gives it" },
    });
  const problems = [
    ...await check("what encode gives", image, latent, (x, weights) => {
      const { mean, logVariance } = encode({ weights, x, dropout });
      return summed("encode", { mean, ...definedOnly({ logVariance }) }, [x.shape[0]!, ...latent]);
    }),
    ...quantize === undefined
      ? []
      : await check("the z that quantize gives", latent, latent, (z, weights) => quantize({ weights, z }).z),
    ...await check("what decode gives", latent, image, (z, weights) => decode({ weights, z, dropout })),
  ];
  // Problems of the loss may only follow from these.
  if (problems.length > 0) return problems;
  try {
    const wrong = await checkTraces("the loss", {
      parameters,
      signature: (batch) => ({ x: spec(batch, image), noise: spec(batch, latent) }),
      shape: [],
      compute({ x, noise }, weights) {
        const terms = autoencoderTerms(autoencoder, { x: x!, noise, dropout }, weights, options);
        return summed("the loss", terms, [x!.shape[0]!]);
      },
      fixes: { shape: "take the mean of each image", lost: "use each parameter in encode, quantize or decode" },
    });
    if (wrong.length > 0 || parameters.length === 0) return wrong;
    // Operations without a gradient are found only now.
    const loss = autoencoderLoss(autoencoder, options);
    trace(makeGradientStep(loss), gradientStepSignature(loss, BATCH), "the gradient");
    return [];
  } catch (error) {
    return [thrown(error)];
  }
}

/** Adds tensors up. @throws CompileError for one that is no tensor of the wanted shape, by its name */
function summed(what: string, tensors: Readonly<Record<string, unknown>>, wanted: readonly number[]): Tensor {
  const sound = Object.entries(tensors).map(([name, one]) => {
    if (one instanceof tf.Tensor && `${one.shape}` === `${wanted}`) return one as Tensor;
    const got = one instanceof tf.Tensor ? `[${one.shape.join(", ")}]` : typeof one;
    throw new CompileError(`${name} of ${what}: got ${got}, wanted a tensor [${wanted.join(", ")}]`);
  });
  return sound.reduce((sum, one) => tf.add(sum, one));
}
