import { defineStage } from "noiseline";
import { z } from "zod";

const MODES = [
  "ok",
  "refuse",
  "throw",
  "reject-unawaited",
  "exit",
  "nothing",
  "symlink",
  "shout",
  "shout-one-line",
  "hang",
  "traverse",
  "absolute",
  "random",
  "forge",
] as const;

const MEBIBYTE = 1 << 20;

/** Ends in all the ways in which a stage should not. */
export default defineStage({
  summary: "Misbehaves",
  params: z.strictObject({ mode: z.enum(MODES), salt: z.int().default(0) }),
  inputs: { from: { type: "files", description: "Anything", optional: true } },
  outputs: { out: { type: "files", description: "Sometimes a file" } },
  async run({ params: { mode }, outputs }) {
    const write = (text: string) => outputs.out.write("text.txt", text);
    switch (mode) {
      case "refuse":
        return { status: "failed", message: "the moon is full", fix: "wait a week" };
      case "throw":
        throw new TypeError("no such tooth");
      case "reject-unawaited":
        await write("half\n");
        Promise.reject(new Error("nobody waits for me"));
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        return undefined;
      case "exit":
        await write("half\n");
        Deno.exit(0);
        break;
      case "nothing":
        return undefined;
      case "symlink":
        await write("real\n");
        // Deno.symlink needs more permissions than a stage has, but native code would not ask.
        Deno.symlinkSync("/etc/passwd", `${outputs.out.folder}/link`);
        return undefined;
      case "shout": {
        const line = "x".repeat(1023);
        // deno-lint-ignore no-console
        for (let i = 0; i < 4 * 1024; i++) console.log(line);
        return await write("shouted\n");
      }
      case "shout-one-line":
        Deno.stdout.writeSync(new Uint8Array(4 * MEBIBYTE).fill(0x78));
        Deno.stderr.writeSync(new Uint8Array(4 * MEBIBYTE).fill(0x79));
        return await write("shouted\n");
      case "hang":
        await new Promise((resolve) => setTimeout(resolve, 600_000));
        return undefined;
      case "traverse":
        await outputs.out.write("../../escaped.txt", "escaped");
        return undefined;
      case "absolute":
        await outputs.out.write("/tmp/escaped.txt", "escaped");
        return undefined;
      case "random":
        return await write(`${crypto.randomUUID()}\n`);
      case "forge":
        // A message to the engine without the secret that only the worker's own code knows.
        Deno.stdout.writeSync(new TextEncoder().encode(`\u001e00000000 {"type":"end","end":{"status":"complete"}}\n`));
        return { status: "failed", message: "forged" };
    }
    await write("fine\n");
    return undefined;
  },
});
