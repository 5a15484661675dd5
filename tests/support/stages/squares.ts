import { defineStage, execution, inParts, writeMetrics } from "noiseline";
import { z } from "zod";
/** Runs in shards, if asked to. */
export default defineStage({
  summary: "Sums squares, slowly",
  params: z.strictObject({ count: z.int().min(1), pauseMs: execution(z.int().default(300)) }),
  inputs: {},
  outputs: { sum: { type: "metrics", description: "The sum" } },
  shards: true,
  run: (context) =>
    inParts(context, { count: context.params.count, batchSize: 3 }, () =>
      Promise.resolve({
        compute: async ({ first, count }) => {
          await new Promise((resolve) => setTimeout(resolve, context.params.pauseMs));
          return { squares: Float64Array.from({ length: count }, (_, i) => (first + i) ** 2) };
        },
      }), async (batches) => {
      let value = 0;
      for await (const { rows } of batches) for (const square of rows.squares) value += square;
      const metrics = [{ name: "sum", value, count: context.params.count }];
      await writeMetrics(context.outputs.sum, { seed: null, images: {}, metrics });
    }),
});
