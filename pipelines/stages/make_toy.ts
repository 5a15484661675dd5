import { defineStage, randomStream } from "noiseline";
import { writeImages } from "noiseline/data";
import { z } from "zod";

/** Sets whose distribution is known: the size of an item, and an item made from three uniform numbers of [0, 1). */
const TOYS = {
  /** Points on two half circles of radius 1, as scikit-learn's make_moons has them. */
  moons: {
    ...{ width: 1, channels: 2 },
    make([side = 0, turn = 0]: Float32Array): number[] {
      const [x, y] = [Math.cos(Math.PI * turn), Math.sin(Math.PI * turn)];
      return side < 0.5 ? [x, y] : [1 - x, 0.5 - y];
    },
  },
  /** Signals exp(-d u) sin(2 pi (f u + p)), u in [0, 1), with f in [2, 5), d in [1, 4) and p in [0, 1). */
  oscillations: {
    ...{ width: 64, channels: 1 },
    make([f = 0, d = 0, p = 0]: Float32Array): number[] {
      const at = (u: number) => Math.exp(-(1 + 3 * d) * u) * Math.sin(2 * Math.PI * ((2 + 3 * f) * u + p));
      return Array.from({ length: 64 }, (_, i) => at(i / 64));
    },
  },
};

export default defineStage({
  summary: "Points or signals whose distribution is known, with Gaussian noise",
  params: z.strictObject({
    toy: z.enum(["moons", "oscillations"]),
    count: z.int().min(1),
    /** Standard deviation of the noise. */
    noise: z.number().min(0),
  }),
  inputs: {},
  outputs: { items: { type: "images", description: "Points as images of one pixel, signals as images of one row" } },
  seeded: true,
  async run({ params: { toy, count, noise }, outputs, seed }) {
    const { width, channels, make } = TOYS[toy];
    const [draws, errors] = ["toy", "toy-noise"].map((stream) => randomStream({ seed, stream }));
    const items = Array.from({ length: count }, (_, i) => make(draws!.uniform(i, 3))).flat();
    const added = errors!.normal(0, items.length);
    const pixels = Float32Array.from(items, (x, at) => x + noise * added[at]!);
    // Networks see pixel / scale - shift: mean 0 and deviation 1 in each channel.
    const moments = Array.from({ length: channels }, (_, c) => {
      const own = pixels.filter((_, at) => at % channels === c);
      const mean = own.reduce((sum, x) => sum + x, 0) / own.length;
      return { mean, scale: Math.sqrt(own.reduce((sum, x) => sum + (x - mean) ** 2, 0) / own.length) };
    });
    const [scale, shift] = [moments.map(({ scale }) => scale), moments.map(({ mean, scale }) => mean / scale)];
    const info = { height: 1, width, channels, normalizer: { how: "moments", scale, shift } as const, source: { toy } };
    await writeImages(outputs.items, { info, pixels });
  },
});
