import { epsModelSignature, makeEpsModel } from "../../diffusion/eps_model.ts";
import { type Device, randomStream } from "../../tensor/mod.ts";
import type { StoredCheckpoint } from "../shared/checkpoint.ts";
import type { StoredImages } from "../shared/images.ts";
import { bytesToUnit } from "../shared/pixel_values.ts";

export interface LossOptions {
  readonly device: Device;
  readonly batchSize: number;
  readonly seed: number;
  /** One per image. */
  readonly timesteps: Int32Array;
}

/**
 * L_simple of single images: the mean over pixels of (eps - eps_theta(x_t, t))^2, with the image's own t and noise.
 * Both are functions of the image's index, so a batch's size changes nothing but the rounding of the network; the rest
 * is in float64.
 *
 * @returns losses of a batch that starts at the given image, fewer at the end of the images
 */
export async function makeLosses(checkpoint: StoredCheckpoint, images: StoredImages, options: LossOptions) {
  const { device, batchSize, seed, timesteps } = options;
  const { tables, params, config } = checkpoint;
  const compiled = await device.compile(makeEpsModel(config.model), epsModelSignature(config.model, batchSize), {
    label: "noise prediction",
  });
  const model = await compiled.bind({ params });
  const [, height, width, channels] = images.shape;
  const pixels = height * width * channels;
  const normals = randomStream({ seed, stream: "evaluate/noise" });
  const x0 = new Float32Array(pixels);
  const noise = new Float32Array(batchSize * pixels);
  // Places that no image fills in the last batch keep what they had: images do not see each other.
  const x = new Float32Array(batchSize * pixels);
  const t = new Int32Array(batchSize);
  const eps = new Float32Array(batchSize * pixels);

  return async (first: number): Promise<Float64Array> => {
    const count = Math.min(batchSize, timesteps.length - first);
    for (let i = 0; i < count; i++) {
      const image = first + i;
      const own = noise.subarray(i * pixels, (i + 1) * pixels);
      normals.normal(image, own);
      bytesToUnit(images.pixels.subarray(image * pixels, (image + 1) * pixels), x0);
      t[i] = timesteps[image]!;
      const [signal, spread] = [tables.sqrtAlphasCumprod[t[i]!]!, tables.sqrtOneMinusAlphasCumprod[t[i]!]!];
      for (let k = 0; k < pixels; k++) x[i * pixels + k] = signal * x0[k]! + spread * own[k]!;
    }
    await model.run({ x, t }, { eps });
    return Float64Array.from({ length: count }, (_, i) => {
      let sum = 0;
      for (let k = i * pixels; k < (i + 1) * pixels; k++) sum += (noise[k]! - eps[k]!) ** 2;
      return sum / pixels;
    });
  };
}
