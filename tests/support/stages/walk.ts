import { defineStage, execution, extent } from "noiseline";
import { z } from "zod";

const START = "0".repeat(64);

async function next(state: string, text: string): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`${state} ${text}`));
  return new Uint8Array(bytes).toHex();
}

/** Walks a chain of hashes: any step that is lost, repeated or taken from another run changes all later ones. */
export default defineStage({
  summary: "Walks a chain of hashes, saving as it goes",
  params: z.strictObject({
    steps: extent(z.int().min(1).default(8)),
    text: z.string().default("a"),
    saveEvery: execution(z.int().min(1).default(1)),
    /** After saving this step, wait to be stopped or killed. A run that starts from the step does not wait. */
    holdAt: execution(z.int().default(0)),
    /** True to ignore a request to stop while waiting. */
    deaf: execution(z.boolean().default(false)),
  }),
  inputs: {},
  outputs: { out: { type: "files", description: "The last hash and all of them" } },
  async run({ params, progress, outputs, stop, report }) {
    // deno-lint-ignore no-console
    console.log("walking");
    const saved = await progress.latest();
    const hashes = saved === undefined ? [] : new TextDecoder().decode(await saved.read("hashes")).split("\n");
    const from = hashes.length;
    while (hashes.length < params.steps) {
      hashes.push(await next(hashes.at(-1) ?? START, params.text));
      const step = hashes.length;
      report({ done: step, total: params.steps, unit: "step" });
      const held = step === params.holdAt && from < step;
      if (held || stop.aborted || step % params.saveEvery === 0 || step === params.steps) {
        await progress.save(step, { hashes: new TextEncoder().encode(hashes.join("\n")) });
      }
      if (held) {
        await new Promise<void>((resolve) => {
          if (!params.deaf) {
            stop.addEventListener("abort", () => resolve());
            // The request may have arrived while the stage saved.
            if (stop.aborted) resolve();
          }
          // A pending promise by itself does not keep a process alive.
          setTimeout(resolve, 600_000);
        });
      }
      if (stop.aborted) return { status: "interrupted", step };
    }
    await outputs.out.write("last.txt", `${hashes.at(-1)}\n`);
    await outputs.out.write("all.txt", `${hashes.join("\n")}\n`);
    return undefined;
  },
});
