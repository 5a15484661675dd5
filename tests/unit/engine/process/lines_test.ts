import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { StageLog, streamLines, streamText } from "../../../../engine/process/lines.ts";
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

Deno.test("streamText() gives lines that are no messages together, and each message alone", async () => {
  const pieces = fc.constantFrom("", "a line", "\u001e0123456789 {}", "open \u001e0123456789 {}", "\u001e", "\r");
  const property = fc.asyncProperty(fc.array(pieces), fc.integer({ min: 1, max: 40 }), async (lines, size) => {
    const bytes = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""));
    const chunks = Array.from(
      { length: Math.ceil(bytes.length / size) },
      (_, i) => bytes.slice(i * size, (i + 1) * size),
    );
    const texts = await Array.fromAsync(streamText(ReadableStream.from(chunks)));
    assertEquals(texts.flatMap((text) => text.split("\n")), lines);
    const marked = texts.filter((text) => text.includes("\u001e"));
    assertEquals(marked, lines.filter((line) => line.includes("\u001e")));
    assertEquals(texts.length - marked.length <= chunks.length + marked.length, true);
  });
  await fc.assert(property, { numRuns: 200 });
  const breaks = new Uint8Array(60_000).fill(10);
  const texts = await Array.fromAsync(streamText(ReadableStream.from([breaks, breaks, breaks])));
  assertEquals(texts, Array(3).fill("\n".repeat(59_999)));
});

Deno.test("StageLog writes at most 64 MiB, says what is missing, and keeps the last lines short", () => {
  const mebibyte = 1 << 20;
  const says: readonly [string, number][] = [
    [`${"m".repeat(mebibyte / 2)}\n`.repeat(2).slice(0, -1), 2],
    // The text that replaces bytes which are not UTF-8.
    ["\ufffd".repeat(mebibyte), 1],
  ];
  for (const [text, lines] of says) {
    const written: string[] = [];
    {
      using log = new StageLog((text) => written.push(text));
      for (let i = 0; i < 70; i++) log.keep(text);
      log.keep("last words");
      log.add("a note");
      assertEquals(log.tail().endsWith("…\nlast words") && log.tail().length < 6_000, true);
    }
    const whole = written.slice(0, -1);
    const bytes = whole.reduce((sum, text) => sum + new TextEncoder().encode(text).length + 1, 0);
    assertEquals(bytes > 60 * mebibyte && bytes <= 64 * mebibyte, true, `${bytes} bytes`);
    const left = (70 - whole.length) * lines + 2;
    assertEquals(written.at(-1), `… ${left} lines left out: a log holds 64 MiB of each stage`);
  }
});

Deno.test("parseMemory() and formatMemory() know both kinds of units", () => {
  assertEquals(["1MB", "1.5GB", "400MiB", "2GiB"].map(parseMemory), [1e6, 1.5e9, 400 * 2 ** 20, 2 ** 31]);
  assertEquals([400 * 2 ** 20, 2.5 * 2 ** 30].map(formatMemory), ["400 MiB", "2.5 GiB"]);
});
