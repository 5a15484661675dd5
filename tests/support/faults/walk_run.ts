import { createHash } from "node:crypto";
import type { StageContext, StageEnd } from "../../../engine/contract/stage.ts";

/** Walks a chain of hashes: a step that is lost, repeated or taken from another walk changes all later ones. */
export default async function run(
  { params, inputs, outputs, progress, report, stop }: StageContext,
): Promise<StageEnd | void> {
  const { text, steps, pauseMs } = params as { text: string; steps: number; pauseMs: number };
  const input = inputs["from"] === undefined ? "" : await [inputs["from"]].flat()[0]!.readText("text.txt");
  const saved = await progress.latest();
  const hashes = saved === undefined ? [] : new TextDecoder().decode(await saved.read("deep/hashes")).split("\n");
  while (hashes.length < steps) {
    hashes.push(createHash("sha256").update(`${hashes.at(-1) ?? input} ${text}`).digest("hex"));
    report({ done: hashes.length, total: steps, unit: "step" });
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    if (hashes.length % 2 === 0 || stop.aborted) {
      const state = new TextEncoder().encode(hashes.join("\n"));
      await progress.save(hashes.length, { "deep/hashes": state, "last": state.slice(-64) });
    }
    if (stop.aborted) return { status: "interrupted", step: hashes.length };
  }
  await outputs["out"]!.write("last.txt", `${hashes.at(-1)}\n`);
  await outputs["log"]!.write("all.txt", `${hashes.join("\n")}\n`);
}
