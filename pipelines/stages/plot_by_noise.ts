import { defineStage } from "noiseline";
import { lineChartsSvg } from "noiseline/data";
import { z } from "zod";

/** The parts of `metrics.json` that this stage needs. */
const scores = z.object({
  images: z.object({ fake: z.object({ source: z.object({ sigma: z.number() }) }) }),
  metrics: z.array(z.object({ name: z.string(), value: z.number() })),
});

/** Colours of Okabe and Ito 2008, which people with any colour vision can tell apart. */
const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

export default defineStage({
  summary: "Scores against the noise that the images got",
  params: z.strictObject({}),
  inputs: { metrics: { type: "metrics", list: true, description: "Scores of noisy images, some for each level" } },
  outputs: { plot: { type: "files", description: "noise.svg" } },
  async run({ inputs, outputs }) {
    const curves = new Map<string, Map<number, number>>();
    for (const artifact of inputs.metrics) {
      const { images, metrics } = scores.parse(JSON.parse(await artifact.readText("metrics.json")));
      for (const { name, value } of metrics) {
        const curve = curves.get(name) ?? new Map<number, number>();
        curves.set(name, curve.set(images.fake.source.sigma, value));
      }
    }
    const charts = [...curves].sort(([a], [b]) => a < b ? -1 : 1).map(([name, curve], i) => {
      const levels = [...curve.keys()].sort((a, b) => a - b);
      const values = Float64Array.from(levels, (sigma) => curve.get(sigma)!);
      const grows = values.every((value, k) => k === 0 || value > values[k - 1]!);
      const xLabel = `noise level, sigma from ${levels[0]} to ${levels.at(-1)}`;
      const note = grows ? "grows at every level" : "does not grow at every level";
      return { title: name, note, xLabel, values, color: COLORS[i % COLORS.length]!, scale: "linear" as const };
    });
    const title = "Distances of images from themselves with noise";
    const description = charts.map(({ title, note }) => `${title} ${note}`).join("; ");
    await outputs.plot.write("noise.svg", lineChartsSvg(charts, { title, description }));
  },
});
