import { defineStage, execution, extent } from "noiseline";
import { z } from "zod";
/** Like `walk`, but no step waits for anything: each takes some time. Begins from the result of another walk. */
export default defineStage({
  summary: "Walks a chain of hashes, slowly",
  params: z.strictObject({
    steps: extent(z.int().min(1)),
    text: z.string(),
    pauseMs: execution(z.int().default(150)),
  }),
  inputs: { from: { type: "files", description: "Where to begin", optional: true } },
  outputs: { out: { type: "files", description: "All hashes" } },
  async run({ params, inputs, progress, outputs, stop, report }) {
    const saved = await progress.latest();
    const lines = saved === undefined ? [] : new TextDecoder().decode(await saved.read("lines")).split("\n");
    const start = inputs.from === undefined ? "" : await inputs.from.readText("out.txt");
    while (lines.length < params.steps) {
      const text = new TextEncoder().encode(start + params.text + (lines.at(-1) ?? ""));
      lines.push(new Uint8Array(await crypto.subtle.digest("SHA-256", text)).toHex());
      await progress.save(lines.length, { lines: new TextEncoder().encode(lines.join("\n")) });
      report({ done: lines.length, total: params.steps, unit: "step" });
      if (stop.aborted) return { status: "interrupted", step: lines.length };
      await new Promise((resolve) => setTimeout(resolve, params.pauseMs));
    }
    await outputs.out.write("out.txt", lines.join("\n"));
    return undefined;
  },
});
