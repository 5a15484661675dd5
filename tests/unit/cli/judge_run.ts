import type { StageContext } from "../../../stages/contract.ts";

/** Write the value that it is given as a metric; of a kind with a seed, that much more. */
export default async function run({ params, outputs, note, seed }: StageContext): Promise<void> {
  const value = (params as unknown as { value: number }).value + (seed ?? 0);
  note(`judging ${value}`);
  const record = { format: 1, seed: null, images: {}, metrics: [{ name: "far", value, count: 3 }] };
  await outputs["metrics"]!.write("metrics.json", JSON.stringify(record));
}
