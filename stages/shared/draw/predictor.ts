import type { StoredCheckpoint } from "../../../artifacts/checkpoint.ts";
import { mix } from "../../../science/diffusion/samplers/mix.ts";
import { isBounded, joinValues } from "../../../science/diffusion/normalizer.ts";
import { timePoint } from "../../../science/diffusion/path.ts";
import { dynamicThreshold } from "../../../science/diffusion/samplers/dynamic_threshold.ts";
import type { Device } from "../../../science/tensor/mod.ts";
import { bindNetwork, encodeLabels, splitOutput } from "../feeds.ts";

/** A network with its parameters, objective and path. */
export type DrawnNetwork = Pick<StoredCheckpoint, "network" | "objective" | "path" | "params" | "form">;

export interface PredictorOptions {
  readonly device: Device;
  readonly batchSize: number;
  /** Clipping of the predicted image; `unit` only clips images that have a declared range. Default `unit`. */
  readonly clip?: "unit" | "dynamic" | "none";
  /** For `dynamic`: the quantile of |x0| that is scaled to 1. */
  readonly clipQuantile?: number;
  /** 1 evaluates the network once for each image; any other value twice. Default 1. */
  readonly guidance?: number;
  /** The noise levels, sigma = noise / signal, with guidance: from < sigma <= to. Absent: all. */
  readonly guidanceInterval?: { readonly from: number; readonly to: number } | undefined;
  /** The network to guide away from, on the same path. Absent: the network itself, without a label. */
  readonly guide?: DrawnNetwork | undefined;
}

/** The output of one network for a batch, and the weight of its x_0 in the result. */
function weigh(output: Float32Array<ArrayBuffer>, from: DrawnNetwork, weight: number) {
  return { output, from, weight, ...splitOutput(output, from.network.sizes) };
}

type WeightedOutput = ReturnType<typeof weigh>;

/**
 * Makes a function that predicts noised images for a sampler: x_0 by the network's objective, guided and clipped, and
 * the noise that belongs to it. The device only evaluates networks.
 *
 * With guidance, x_0 is bad + guidance (good - bad). Good is the network, with labels if it is class-conditional; bad
 * is the network without a label (Ho & Salimans 2021, arXiv 2207.12598, with guidance = 1 + w), both in one batch of
 * twice the size, or another network, with the same labels (Karras et al. 2024, arXiv 2406.02507). Guidance in an
 * interval only: Kynkäänniemi et al. 2024, arXiv 2404.07724. A learned variance is that of the network.
 *
 * @returns a function of a batch, its time and its labels, see `oneHotLabels`
 */
export async function makePredictor(checkpoint: DrawnNetwork, options: PredictorOptions) {
  const { batchSize, clip: wanted = "unit", clipQuantile = 1, guidance = 1, guidanceInterval, guide } = options;
  const { path, network, form } = checkpoint;
  // Images without a declared range have values beyond [-1, 1].
  const clip = wanted === "unit" && !isBounded(form.normalizer) ? "none" : wanted;
  const { height, width, channels } = network.sizes;
  const pixels = height * width * channels;
  const guided = guidance !== 1;
  const bind = (asked: DrawnNetwork, times = 1) => bindNetwork(asked, { ...options, batchSize: times * batchSize });
  const askBoth = guided && guide === undefined ? await bind(checkpoint, 2) : undefined;
  const askGuide = guided && guide !== undefined ? await bind(guide) : undefined;
  const askOne = askBoth === undefined || guidanceInterval !== undefined ? await bind(checkpoint) : undefined;
  const noLabels = encodeLabels(network.sizes, new Array<undefined>(batchSize).fill(undefined));

  /** Returns the outputs to combine, that of the network first. */
  const ask = async (
    x: Float32Array<ArrayBuffer>,
    t: number,
    classes: Float32Array<ArrayBuffer> | undefined,
  ): Promise<WeightedOutput[]> => {
    const times = (count: number) => new Array<number>(count * batchSize).fill(t);
    const sigma = path.noise(t) / path.signal(t);
    const { from, to } = guidanceInterval ?? { from: 0, to: Infinity };
    if (!guided || sigma <= from || sigma > to) {
      return [weigh(await askOne!(x, times(1), classes), checkpoint, 1)];
    }
    if (askBoth !== undefined) {
      const output = await askBoth(joinValues([x, x]), times(2), classes && joinValues([classes, noLabels!]));
      const [told, none] = [output.slice(0, output.length / 2), output.subarray(output.length / 2)];
      return [weigh(told, checkpoint, guidance), weigh(none, checkpoint, 1 - guidance)];
    }
    const good = weigh(await askOne!(x, times(1), classes), checkpoint, guidance);
    return [good, weigh(await askGuide!(x, times(1), classes), guide!, 1 - guidance)];
  };

  return {
    /** Length of one image. */
    pixels,
    async predict(x: Float32Array<ArrayBuffer>, t: number, classes: Float32Array<ArrayBuffer> | undefined) {
      const outputs = await ask(x, t, classes);
      const { output, variance } = outputs[0]!;
      const x0 = mixedX0(x, t, outputs);
      if (clip === "unit") { for (let i = 0; i < x0.length; i++) x0[i] = Math.min(1, Math.max(-1, x0[i]!)); }
      if (clip === "dynamic") {
        for (let at = 0; at < x0.length; at += pixels) dynamicThreshold(x0.subarray(at, at + pixels), clipQuantile);
      }
      const { signal, noise } = timePoint(path, t);
      const eps = mix([1 / noise, x], [-signal / noise, x0]);
      return { x0, eps, variance: variance?.map((raw) => (raw + 1) / 2), output };
    },
  };
}

/** Adds the shares of each x_0, in float64 until the end: far from the image they are differences of large numbers. */
function mixedX0(x: Float32Array, t: number, outputs: readonly WeightedOutput[]): Float32Array<ArrayBuffer> {
  const sum = new Float64Array(x.length);
  for (const { prediction, from: { objective, path }, weight } of outputs) {
    // An objective without `recover` gives no x_0; NaN marks that.
    const { xt, output: factor } = objective.recover?.(timePoint(path, t)).x0 ?? { xt: NaN, output: NaN };
    for (let i = 0; i < sum.length; i++) sum[i]! += weight * (xt * x[i]! + factor * prediction[i]!);
  }
  return new Float32Array(sum);
}
