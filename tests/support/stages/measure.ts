import { defineStage, writeMetrics } from "noiseline";
import { z } from "zod";

/** Measures a walk by its last hash, so that its score says nothing before it is there. */
export default defineStage({
  summary: "Measures a walk",
  params: z.strictObject({}),
  inputs: { walk: { type: "files", description: "A walk" } },
  outputs: { metrics: { type: "metrics", description: "Its score" } },
  async run({ inputs, outputs }) {
    const value = Number.parseInt((await inputs.walk.readText("last.txt")).slice(0, 8), 16);
    await writeMetrics(outputs.metrics, { metrics: [{ name: "score", value, count: 1 }] });
    return undefined;
  },
});
