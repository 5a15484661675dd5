import type { StageContext, StageEnd } from "../../../../engine/contract/stage.ts";
import { inParts } from "../../../../stages/shared/parts.ts";

/** The work of shards and stages, in order. */
export const dealt: string[] = [];

/** Computes one hash of the inputs for each of `count` items, one by one; a shard may be told to fail. */
export default async function run(context: StageContext): Promise<StageEnd | undefined> {
  const { params, inputs, outputs, share, parts } = context;
  const { text, count, fail } = params as unknown as { text: string; count: number; fail: number };
  dealt.push(share === undefined ? `${text}: ${parts.length} parts` : `${text}: ${share.index + 1} of ${share.of}`);
  if (share !== undefined && share.index + 1 === fail) return { status: "failed", message: "told to fail" };
  const read = Object.values(inputs).flat().filter((input) => input !== undefined);
  const texts = await Promise.all(read.map((input) => input.readText("value.txt")));
  return await inParts(context, { count, batchSize: 2 }, () =>
    Promise.resolve({
      compute: ({ first, count }) => ({
        values: Int32Array.from({ length: count }, (_, i) => {
          let value = first + i;
          for (const char of texts.join("|") + text) value = (value * 31 + char.charCodeAt(0)) % 1_000_003;
          return value;
        }),
      }),
    }), async (batches) => {
    const all: number[] = [];
    for await (const { rows } of batches) all.push(...rows.values);
    await outputs["out"]!.write("value.txt", `${text.startsWith("mod") ? all.map((value) => value % 2) : all}\n`);
  });
}
