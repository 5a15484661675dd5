import { defineStage, randomStream } from "noiseline";
import { writeImages } from "noiseline/data";
import { z } from "zod";

export default defineStage({
  summary: "Points on two half circles of radius 1, as scikit-learn's make_moons has them, with Gaussian noise",
  params: z.strictObject({
    count: z.int().min(1),
    /** Standard deviation of the noise. */
    noise: z.number().min(0),
  }),
  inputs: {},
  outputs: { points: { type: "images", description: "Images of one pixel, whose channels are the coordinates" } },
  seeded: true,
  async run({ params: { count, noise }, outputs, seed }) {
    const [draws, errors] = ["toy", "toy-noise"].map((stream) => randomStream({ seed, stream }));
    const points = Array.from({ length: count }, (_, i) => {
      const [side, turn] = draws!.uniform(i, 2);
      const [x, y] = [Math.cos(Math.PI * turn!), Math.sin(Math.PI * turn!)];
      return side! < 0.5 ? [x, y] : [1 - x, 0.5 - y];
    }).flat();
    const added = errors!.normal(0, points.length);
    const pixels = Float32Array.from(points, (x, at) => x + noise * added[at]!);
    // Networks see pixel / scale - shift: mean 0 and deviation 1 in each channel, those of the circles without noise.
    const [mean, scale] = [[0.5, 0.25], [Math.sqrt(3 / 4), Math.sqrt(9 / 16 - 1 / Math.PI)]];
    const shift = mean.map((each, i) => each / scale[i]!);
    const info = {
      height: 1,
      width: 1,
      channels: 2,
      normalizer: { how: "moments", scale, shift } as const,
      source: {},
    };
    await writeImages(outputs.points, { info, pixels });
  },
});
