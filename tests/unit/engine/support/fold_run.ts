import type { StageContext, StageEnd } from "../../../../engine/contract/stage.ts";

interface FoldParams {
  readonly file: string;
  readonly steps: number;
  readonly stopAt: number;
  readonly end: "interrupted" | "failed" | "throw";
}

/**
 * Appends a file's content once for each step, saving after each, so that the content that was read shows in all later
 * steps.
 */
export default async function run({ params, outputs, progress }: StageContext): Promise<StageEnd | void> {
  const { file, steps, stopAt, end } = params as unknown as FoldParams;
  const saved = await progress.latest();
  const from = saved?.step ?? 0;
  let value = saved === undefined ? "" : new TextDecoder().decode(await saved.read("value"));
  for (let step = from + 1; step <= steps; step++) {
    value += await Deno.readTextFile(file);
    await progress.save(step, { value: new TextEncoder().encode(value) });
    if (step !== stopAt) continue;
    if (end === "throw") throw new Error("told to throw");
    return end === "failed" ? { status: end, message: "told to fail" } : { status: end, step };
  }
  await outputs["out"]!.write("value.txt", value);
}
