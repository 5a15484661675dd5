import type { StageContext } from "../../../engine/contract/stage.ts";

/** Writes the sum of its param, the seed and the values that it reads as a metric. */
export default async function run({ params, inputs, outputs, note, seed }: StageContext): Promise<void> {
  let value = (params as unknown as { value: number }).value + (seed ?? 0);
  for (const from of [inputs["from"] ?? []].flat()) {
    value += JSON.parse(await from.readText("metrics.json")).metrics[0].value;
  }
  note(`judging ${value}`);
  const record = { format: 1, seed: null, images: {}, metrics: [{ name: "far", value, count: 3 }] };
  await outputs["metrics"]!.write("metrics.json", JSON.stringify(record));
}
