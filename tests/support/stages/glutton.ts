import { defineStage, execution } from "noiseline";
import { z } from "zod";

const MEBIBYTE = 1 << 20;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const TAKES = [
  "arrays",
  "objects",
  "time",
  "prints",
  "unbroken",
  "breaks",
  "bytes",
  "files",
  "timers",
  "notes",
  "nothing",
] as const;

/** Takes more than its share: memory, time, output. */
export default defineStage({
  summary: "Takes too much",
  params: z.strictObject({
    takes: z.enum([...TAKES]),
    amount: execution(z.int().default(0)),
  }),
  inputs: {},
  outputs: { out: { type: "files", description: "One line" } },
  async run({ params: { takes, amount }, outputs, note, report }) {
    const kept: unknown[] = [];
    switch (takes) {
      case "arrays":
        // Outside of V8's heap, whose own limit does not count these arrays. Filled, because untouched pages take no
        // memory.
        for (;;) {
          kept.push(new Uint8Array(32 * MEBIBYTE).fill(1));
          await pause(5);
        }
      case "objects":
        for (;;) kept.push({ a: kept.length, b: [kept.length], c: `${kept.length}` });
      case "time":
        report({ done: 0, total: 1, unit: "loop" });
        // Never returns to where a request to stop could be noticed.
        for (;;);
      case "prints": {
        const line = new TextEncoder().encode(`${"p".repeat(1_023)}\n`);
        for (let i = 0; i < amount * 1024; i++) (i % 2 === 0 ? Deno.stdout : Deno.stderr).writeSync(line);
        break;
      }
      case "unbroken":
      case "breaks":
      case "bytes": {
        // The bytes of the case `bytes` are not UTF-8.
        const piece = new Uint8Array(MEBIBYTE).fill({ unbroken: 0x75, breaks: 0x0a, bytes: 0xff }[takes]);
        for (let i = 0; i < amount; i++) (i % 2 === 0 ? Deno.stdout : Deno.stderr).writeSync(piece);
        break;
      }
      case "notes":
        for (let i = 0; i < amount; i++) note(`note ${i}`);
        break;
      case "files":
        for (let i = 0; i < amount; i++) await outputs.out.write(`many/${i % 100}/${i}.txt`, `${i}\n`);
        break;
      case "timers":
        for (let i = 0; i < 10; i++) setInterval(() => kept.push(i), 10);
        break;
    }
    await outputs.out.write("text.txt", "done\n");
    return undefined;
  },
});
