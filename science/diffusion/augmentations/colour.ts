import { z } from "zod";
import { defineAugmentation } from "../define.ts";

const deviation = (value: number, what: string) => z.number().min(0).default(value).describe(what);

/**
 * Brightness, contrast, hue and saturation of Karras et al. 2020 (arXiv 2006.06676, appendix B). All four are affine in
 * the colour, and hue and saturation turn and stretch it around the axis of greys.
 */
export default defineAugmentation({
  params: z.strictObject({
    probability: z.number().min(0).max(1).default(0.5).describe("Probability of each of the four changes"),
    brightness: deviation(0.2, "Standard deviation of what is added"),
    contrast: deviation(0.5, "Standard deviation of the contrast's binary logarithm"),
    hue: z.number().min(0).max(1).default(1).describe("Largest turn of the hue, as a fraction of a half turn"),
    saturation: deviation(1, "Standard deviation of the saturation's binary logarithm"),
  }).describe("Change brightness, contrast, hue and saturation"),
  check: (_params, { channels }) =>
    channels === 1 || channels === 3 ? [] : [{
      param: ["name"],
      message: "colour needs grey or RGB images",
      got: `${channels} channels`,
      wanted: "1 or 3 channels",
    }],
  conditions: () => 5,
  augment({ image, channels, random }, { probability, ...size }) {
    const drawn = (value: number) => random.uniform() < probability ? value : 0;
    const brightness = drawn(random.normal());
    const contrast = drawn(random.normal());
    const turn = drawn((2 * random.uniform() - 1) * Math.PI * size.hue);
    const saturation = drawn(random.normal());
    const [added, scale] = [brightness * size.brightness, 2 ** (contrast * size.contrast)];
    const [sine, cosine, stretch] = [Math.sin(turn), Math.cos(turn), 2 ** (saturation * size.saturation)];
    const changed = new Float32Array(image.length);
    for (let start = 0; start < image.length; start += channels) {
      const at = (channel: number) => scale * (image[start + channel % channels]! + added);
      let grey = 0;
      for (let i = 0; i < channels; i++) grey += at(i) / channels;
      for (let i = 0; i < channels; i++) {
        // Rodrigues' formula about (1, 1, 1) / sqrt(3); grey images have no colour to turn.
        const across = (at(i + 2) - at(i + 1)) / Math.sqrt(3);
        changed[start + i] = grey + stretch * (cosine * (at(i) - grey) + sine * across);
      }
    }
    return { image: changed, condition: [brightness, contrast, cosine - 1, sine, saturation] };
  },
});
