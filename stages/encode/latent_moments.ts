import type { Normalizer } from "../../diffusion/normalizer.ts";

/**
 * Finds mean and standard deviation of latents as a training draws them, while they go by: a drawn latent varies by its
 * own Gaussian too. Sums are of differences to the first value, which lose no digits.
 *
 * @param channels of the latents @param how `deviation`: all channels are divided by one number, and keep their means
 */
export function latentMoments(how: "moments" | "deviation", latentChannels: number): {
  /** @param mean [..., C] @param deviation of the same shape */
  add(mean: Float32Array, deviation?: Float32Array): void;
  /** Returns the map; a message if the latents do not vary. */
  find(): Normalizer | string;
} {
  const channels = how === "moments" ? latentChannels : 1;
  let [first, count]: [Float64Array | undefined, number] = [undefined, 0];
  const [sums, squares] = [new Float64Array(channels), new Float64Array(channels)];
  return {
    add(mean, deviation) {
      first ??= Float64Array.from(mean.subarray(0, channels));
      count += mean.length / channels;
      for (let i = 0; i < mean.length; i++) {
        const c = i % channels;
        const difference = mean[i]! - first[c]!;
        sums[c]! += difference;
        squares[c]! += difference ** 2 + (deviation?.[i] ?? 0) ** 2;
      }
    },
    find() {
      const scale = [...squares.map((square, c) => Math.sqrt(Math.max(0, square / count - (sums[c]! / count) ** 2)))];
      const flat = scale.findIndex((deviation) => !(deviation > 0));
      if (flat >= 0) return `all latents of channel ${flat} are ${first?.[flat]}: the encoder says nothing of images`;
      if (how === "deviation") return { how: "factor", scale, shift: [0] };
      return { how, scale, shift: scale.map((deviation, c) => (first![c]! + sums[c]! / count) / deviation) };
    },
  };
}
