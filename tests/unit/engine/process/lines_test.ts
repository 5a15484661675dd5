import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { StageLog, streamLines } from "../../../../engine/process/lines.ts";
import { formatMemory, parseMemory } from "../../../../engine/process/runtime.ts";

async function linesOf(chunks: readonly Uint8Array[]): Promise<string[]> {
  return await Array.fromAsync(streamLines(ReadableStream.from(chunks)));
}

Deno.test("streamLines() gives the same lines wherever the chunks are cut", async () => {
  const property = fc.asyncProperty(
    fc.string({ unit: "binary" }),
    fc.integer({ min: 1, max: 9 }),
    async (text, size) => {
      const bytes = new TextEncoder().encode(text);
      const chunks = Array.from(
        { length: Math.ceil(bytes.length / size) },
        (_, i) => bytes.slice(i * size, (i + 1) * size),
      );
      const wanted = new TextDecoder().decode(bytes).split("\n");
      assertEquals(await linesOf(chunks), wanted.at(-1) === "" ? wanted.slice(0, -1) : wanted);
    },
  );
  await fc.assert(property, { numRuns: 30 });
});

Deno.test("streamLines() cuts a line without an end, but never within the mark of a message", async () => {
  const mark = "\u001e0123456789 {}";
  for (const before of [(1 << 20) - 5, (1 << 20) - 1, 1 << 20, (1 << 20) + 3]) {
    const chunks = ["x".repeat(before), mark.slice(0, 3), mark.slice(3), "y".repeat(2 << 20), "\nend"];
    const lines = await linesOf(chunks.map((chunk) => new TextEncoder().encode(chunk)));
    assertEquals(lines.join(""), chunks.join("").replace("\n", ""));
    assertEquals(lines.filter((line) => line.includes(mark)).length, 1, `after ${before}`);
    assertEquals(Math.max(...lines.map(({ length }) => length)) <= (2 << 20), true);
  }
});

Deno.test("streamLines() holds no more than 64 KiB of a line that is no message, and a message whole", async () => {
  const [long, message] = ["x".repeat(5 << 20), `\u001e0123456789 ${"z".repeat(900_000)}`];
  const bytes = new TextEncoder().encode(`${long}\n${long}${message}\n\u00e9${long}`);
  const chunks = Array.from(
    { length: Math.ceil(bytes.length / 40_000) },
    (_, i) => bytes.slice(i * 40_000, (i + 1) * 40_000),
  );
  const lines = await linesOf(chunks);
  assertEquals(lines.filter((line) => line.length > 64 << 10), [message]);
  assertEquals(lines.join("").length, 15 * (1 << 20) + 1 + message.length);
});

Deno.test("StageLog leaves out what is too much, says so, and keeps the last lines short", () => {
  const written: string[] = [];
  const log = new StageLog((line) => written.push(line));
  for (let i = 0; i < 70; i++) log.keep("m".repeat(1 << 20));
  log.keep("last words");
  log.close();
  assertEquals(written.length, 64);
  assertEquals(written.at(-1), "… 8 lines left out: a log holds 64 MiB of each stage");
  assertEquals(log.tail().endsWith("…\nlast words") && log.tail().length < 6_000, true);
});

Deno.test("parseMemory() and formatMemory() know both kinds of units", () => {
  assertEquals(["1MB", "1.5GB", "400MiB", "2GiB"].map(parseMemory), [1e6, 1.5e9, 400 * 2 ** 20, 2 ** 31]);
  assertEquals([400 * 2 ** 20, 2.5 * 2 ** 30].map(formatMemory), ["400 MiB", "2.5 GiB"]);
});
