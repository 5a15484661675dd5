import { learnsVariance, makeModelOutput, modelOutputSignature, oneHotLabels } from "../../diffusion/model_output.ts";
import type { Device } from "../../tensor/mod.ts";
import type { StoredCheckpoint } from "../../artifacts/checkpoint.ts";
import type { StoredImages } from "../../artifacts/images.ts";
import { bytesToUnit } from "../shared/pixel_values.ts";

/** One evaluation of the network: an image, noised to a timestep. */
export interface WorkItem {
  /** Index of the image. */
  readonly image: number;
  readonly t: number;
  /** Fill with the noise, N(0, I): a function of the item alone. */
  readonly fillNoise: (out: Float32Array<ArrayBuffer>) => void;
}

/** Evaluations, and what is made of each: one number or several. */
export interface Work {
  readonly count: number;
  /** Numbers of one evaluation. */
  readonly figures: number;
  /** @param index in [0, count) */
  item(index: number): WorkItem;
  score(evaluation: Evaluation): readonly number[];
}

/** What one evaluation gave: [H, W, C] each, row-major, valid during the call that it is handed to. */
export interface Evaluation {
  readonly t: number;
  readonly x0: Float32Array;
  readonly noise: Float32Array;
  readonly xt: Float32Array;
  /** The network's prediction; what of is the checkpoint's objective. */
  readonly prediction: Float32Array;
  /** What the network says of the variance, where it learned one. */
  readonly variance: Float32Array | undefined;
}

/**
 * Evaluate a network on the items of some work, a batch at a time. Items do not see each other, so a batch's size changes
 * nothing but the rounding of the network; scores are made in float64.
 *
 * @returns scores [items, figures] of a batch that starts at the given item, fewer items at the end of the work
 */
export async function makeEvaluator(
  checkpoint: StoredCheckpoint,
  images: StoredImages,
  { device, batchSize }: { readonly device: Device; readonly batchSize: number },
) {
  const { tables, params, config: { model: network } } = checkpoint;
  const compiled = await device.compile(makeModelOutput(network), modelOutputSignature(network, batchSize), {
    label: "network output",
  });
  const model = await compiled.bind({ params });
  const [, height, width, channels] = images.shape;
  const pixels = height * width * channels;
  const outputs = height * width * network.outChannels;
  const learned = learnsVariance(network);
  const all = () => new Float32Array(batchSize * pixels);
  // Places that no item fills in the last batch keep what they had.
  const [x0, noise, x] = [all(), all(), all()];
  const t = new Int32Array(batchSize);
  const output = new Float32Array(batchSize * outputs);
  const [prediction, variance] = [new Float32Array(pixels), new Float32Array(pixels)];

  // Images without labels are measured without a label.
  const labelFeeds = (items: readonly WorkItem[]) => {
    if (network.classes === undefined) return {};
    const { classes } = network;
    const known = (label: number | undefined) => label !== undefined && label < classes ? label : undefined;
    const labels = Array.from({ length: batchSize }, (_, i) => known(images.labels?.[items[i]?.image ?? -1]));
    return { classes: oneHotLabels(labels, network.classes) };
  };

  return async (work: Work, first: number): Promise<Float64Array> => {
    const count = Math.min(batchSize, work.count - first);
    const items = Array.from({ length: count }, (_, i) => work.item(first + i));
    const own = (all: Float32Array<ArrayBuffer>, i: number) => all.subarray(i * pixels, (i + 1) * pixels);
    items.forEach((item, i) => {
      item.fillNoise(own(noise, i));
      bytesToUnit(images.pixels.subarray(item.image * pixels, (item.image + 1) * pixels), own(x0, i));
      t[i] = item.t;
      const [signal, spread] = [tables.sqrtAlphasCumprod[item.t]!, tables.sqrtOneMinusAlphasCumprod[item.t]!];
      for (let k = i * pixels; k < (i + 1) * pixels; k++) x[k] = signal * x0[k]! + spread * noise[k]!;
    });
    await model.run({ x, t, ...labelFeeds(items) }, { output });
    return Float64Array.from(items.flatMap((item, i) => {
      for (let k = 0; k < pixels; k++) {
        const at = i * outputs + Math.floor(k / channels) * network.outChannels + k % channels;
        prediction[k] = output[at]!;
        if (learned) variance[k] = output[at + channels]!;
      }
      const evaluation = { t: item.t, x0: own(x0, i), noise: own(noise, i), xt: own(x, i), prediction };
      return work.score({ ...evaluation, variance: learned ? variance : undefined });
    }));
  };
}
