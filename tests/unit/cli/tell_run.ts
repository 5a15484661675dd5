import type { StageContext } from "../../../engine/contract/stage.ts";

/** Writes the metrics that its param gives. */
export default async function run({ params, outputs }: StageContext): Promise<void> {
  const { metrics } = params as unknown as { metrics: unknown[] };
  await outputs["metrics"]!.write("metrics.json", JSON.stringify({ format: 1, metrics }));
}
