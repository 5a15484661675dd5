import { type BuiltinKind, defineKind, type RunOf } from "noiseline/engine";
import { writeMetrics } from "../../../artifacts/metrics.ts";
import { z } from "zod";

/** A stage that writes one figure, as the stages do that score. */
const scoreKind = defineKind({
  kind: "bench-score",
  summary: "Write a figure",
  version: 1,
  runs: "inline",
  entry: import.meta.url,
  params: z.strictObject({ value: z.number() }),
  inputs: {},
  outputs: { metrics: { type: "metrics", description: "one figure" } },
});

export const SCORE_KINDS = { "bench-score": scoreKind as unknown as BuiltinKind };

const run: RunOf<typeof scoreKind> = async ({ params: { value }, outputs }) =>
  await writeMetrics(outputs.metrics, { metrics: [{ name: "FD", value, count: 100 }] });

export default run;
