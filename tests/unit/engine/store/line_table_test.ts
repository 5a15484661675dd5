import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { join } from "node:path";
import { z } from "zod";
import { closeAppended } from "../../../../engine/store/files.ts";
import { type LineKind, LineTable } from "../../../../engine/store/line_table.ts";
import { makeTempFolder } from "../support/temp.ts";

interface Line {
  readonly a: string;
  readonly b: string;
  readonly n: number;
}

/** The number of parsed lines: lines that nobody asks for are not parsed. */
let parsed = 0;

const LINES: LineKind<Line> = {
  schema: z.custom<Line>((value) => {
    parsed++;
    const line = value as Partial<Line>;
    return typeof line.a === "string" && typeof line.b === "string" && typeof line.n === "number";
  }),
  keysOf: ({ a, b }) => [a, b],
  pattern: /^{"a":"([^"\\]*)","b":"([^"\\]*)",.*}$/s,
};

/** Returns the lines that a reader of the whole file would find. */
function readAll(path: string): Line[] {
  return Deno.readTextFileSync(path).split("\n").slice(0, -1).flatMap((text) => {
    try {
      const line = JSON.parse(text);
      return typeof line?.n === "number" ? [line as Line] : [];
    } catch {
      return [];
    }
  });
}

const textOf = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => {
    const n = from + i;
    return `${JSON.stringify({ a: `é${n % 7}`, b: `key ${n}`, n })}\n`;
  }).join("");

async function inFile(use: (path: string, open: () => LineTable<Line>) => void): Promise<void> {
  await using folder = await makeTempFolder();
  const path = join(folder.path, "lines.jsonl");
  Deno.writeTextFileSync(path, "");
  try {
    use(path, () => new LineTable(path, LINES));
  } finally {
    closeAppended(path);
  }
}

function assertFinds(table: LineTable<Line>, path: string): void {
  const all = readAll(path);
  for (const key of ["é0", "é3", "é9"]) assertEquals(table.find(0, key), all.filter(({ a }) => a === key));
  for (const n of [0, 5, 70, 200, 1_000]) {
    assertEquals(
      table.find(1, `key ${n}`),
      all.filter(({ b }) => b === `key ${n}`),
    );
  }
}

/** Checks that intact lines are found, and that every line that is found is in the file as it is now. */
function assertFindsWhatIsIntact(table: LineTable<Line>, path: string): void {
  const all = readAll(path);
  const isIntact = ({ a, b, n }: Line) => a === `é${n % 7}` && b === `key ${n}`;
  for (const key of ["é0", "é3", "é9"]) {
    const found = table.find(0, key);
    assertEquals(found.filter(isIntact), all.filter((line) => line.a === key && isIntact(line)));
    const there = new Set(all.map((line) => JSON.stringify(line)));
    assertEquals(found.filter((line) => !there.has(JSON.stringify(line))), []);
  }
}

Deno.test("find() gives the lines of a key, oldest first, and parses none but these, once", () =>
  inFile((path, open) => {
    Deno.writeTextFileSync(path, textOf(0, 300));
    assertFinds(open(), path);
    parsed = 0;
    const table = open();
    assertEquals(parsed, 0);
    for (let i = 0; i < 2; i++) assertEquals(table.find(1, "key 5"), [{ a: "é5", b: "key 5", n: 5 }]);
    assertEquals(parsed, 1);
  }));

Deno.test("find() sees what add() told", () =>
  inFile((path, open) => {
    Deno.writeTextFileSync(path, textOf(0, 100));
    const table = open();
    table.add({ a: "é1", b: "new", n: -1 });
    assertEquals(table.find(1, "new").length, 1);
    assertEquals(table.find(0, "é1").at(-1)!.n, -1);
  }));

Deno.test("a line that is written in another way is found all the same", () =>
  inFile((path, open) => {
    const lines = [{ n: 1, b: "last", a: "é1" }, { a: 'quoted "key"', b: "é\u2028", n: 2 }];
    Deno.writeTextFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    assertEquals([open().find(0, "é1"), open().find(1, "é\u2028")], [[lines[0]!], [lines[1]!]]);
  }));

Deno.test("a line that a crash has torn at any length seems not to be there", () =>
  inFile((path, open) => {
    const line = textOf(3, 1).trim();
    for (let length = 0; length < line.length; length++) {
      Deno.writeTextFileSync(path, `${line.slice(0, length)}\n`);
      assertEquals(open().seems(1, "key 3"), false, `cut at ${length}`);
    }
  }));

Deno.test("a missing file has no lines", () =>
  inFile((path, open) => {
    Deno.removeSync(path);
    assertEquals(open().find(0, "é1"), []);
  }));

Deno.test("whatever happens to the file, find() finds what is in it", () => {
  const share = fc.double({ min: 0, max: 0.999, noNaN: true });
  const step = fc.oneof(
    fc.record({ do: fc.constant("append" as const), count: fc.integer({ min: 1, max: 150 }) }),
    fc.record({ do: fc.constant("tear" as const), share }),
    fc.record({ do: fc.constant("flip" as const), share }),
    fc.record({ do: fc.constant("replace" as const), count: fc.integer({ min: 1, max: 150 }) }),
  );
  return fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 10 }), (steps) =>
      inFile((path, open) => {
        let next = 0;
        for (const one of steps) {
          const bytes = Deno.readFileSync(path);
          if (one.do === "append") {
            // Appends as the store does: after a torn end, the text begins with a line break.
            const torn = bytes.length > 0 && bytes.at(-1) !== 10;
            Deno.writeTextFileSync(path, `${torn ? "\n" : ""}${textOf(next, one.count)}`, { append: true });
            next += one.count;
          } else if (one.do === "tear") {
            Deno.truncateSync(path, Math.floor(bytes.length * one.share));
          } else if (one.do === "flip" && bytes.length > 0) {
            bytes[Math.floor(bytes.length * one.share)]! += 1;
            Deno.writeFileSync(path, bytes);
          } else if (one.do === "replace") {
            Deno.writeTextFileSync(`${path}.new`, textOf(next, one.count));
            Deno.renameSync(`${path}.new`, path);
            next += one.count;
          }
          assertFindsWhatIsIntact(open(), path);
        }
      })),
    { numRuns: 40 },
  );
});
