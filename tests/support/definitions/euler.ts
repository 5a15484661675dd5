import { defineSampler } from "noiseline";
import { z } from "zod";
export default defineSampler({
  params: z.strictObject({ steps: z.int().min(1).default(10) }),
  times: ({ steps }, path) => path.times(steps),
  sample: async ({ x, times, path, predict }) => {
    for (let k = 0; k + 1 < times.length; k++) {
      const { x0, eps } = await predict(x, times[k]!);
      const [a, b] = [path.signal(times[k + 1]!), path.noise(times[k + 1]!)];
      x = x.map((_, i) => a * x0[i]! + b * eps[i]!);
    }
    return x;
  },
});
