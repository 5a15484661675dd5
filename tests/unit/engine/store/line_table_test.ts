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

/** How many lines were parsed: those that a table vouches for are not. */
let parsed = 0;

const LINES: LineKind<Line> = {
  schema: z.custom<Line>((value) => {
    parsed++;
    const line = value as Partial<Line>;
    return typeof line.a === "string" && typeof line.b === "string" && typeof line.n === "number";
  }),
  keysOf: ({ a, b }) => [a, b],
};

/** What a reader of the whole file would find. */
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

async function inFile(use: (path: string, open: () => LineTable<Line>, table: string) => void): Promise<void> {
  await using folder = await makeTempFolder();
  const [path, table] = [join(folder.path, "lines.jsonl"), join(folder.path, "lines.table")];
  Deno.writeTextFileSync(path, "");
  try {
    use(path, () => new LineTable(path, table, 2, LINES), table);
  } finally {
    closeAppended(path);
  }
}

function assertFinds(open: LineTable<Line>, path: string): void {
  const all = readAll(path);
  for (const key of ["é0", "é3", "é9"]) assertEquals(open.find(0, key), all.filter(({ a }) => a === key));
  for (const n of [0, 5, 70, 200, 1_000]) {
    assertEquals(
      open.find(1, `key ${n}`),
      all.filter(({ b }) => b === `key ${n}`),
    );
  }
}

/** Lines that are as they were written are found; what is found stands in the file as it is now. */
function assertFindsWhatIsIntact(open: LineTable<Line>, path: string): void {
  const all = readAll(path);
  const isIntact = ({ a, b, n }: Line) => a === `é${n % 7}` && b === `key ${n}`;
  for (const key of ["é0", "é3", "é9"]) {
    const found = open.find(0, key);
    assertEquals(found.filter(isIntact), all.filter((line) => line.a === key && isIntact(line)));
    const there = new Set(all.map((line) => JSON.stringify(line)));
    assertEquals(found.filter((line) => !there.has(JSON.stringify(line))), []);
  }
}

Deno.test("find() gives the lines of a key, oldest first, and a second process parses none of them", () =>
  inFile((path, open) => {
    Deno.writeTextFileSync(path, textOf(0, 300));
    assertFinds(open(), path);
    parsed = 0;
    assertFinds(open(), path);
    assertEquals(parsed, 0);
    Deno.writeTextFileSync(path, textOf(300, 3), { append: true });
    assertFinds(open(), path);
    assertEquals(parsed, 3);
  }));

Deno.test("find() sees what add() told", () =>
  inFile((path, open) => {
    Deno.writeTextFileSync(path, textOf(0, 100));
    open();
    const table = open();
    table.add({ a: "é1", b: "new", n: -1 });
    assertEquals(table.find(1, "new").length, 1);
    assertEquals(table.find(0, "é1").at(-1)!.n, -1);
  }));

Deno.test("a missing file has no lines", () =>
  inFile((path, open) => {
    Deno.removeSync(path);
    assertEquals(open().find(0, "é1"), []);
  }));

Deno.test("a table that is torn at any length or has any bit flipped is not believed", () =>
  inFile((path, open, table) => {
    Deno.writeTextFileSync(path, textOf(0, 80));
    open();
    const whole = Deno.readFileSync(table);
    for (let at = 0; at < whole.length; at += 61) {
      Deno.writeFileSync(table, whole.subarray(0, at));
      assertFinds(open(), path);
      const flipped = whole.slice();
      flipped[at]! ^= 4;
      Deno.writeFileSync(table, flipped);
      assertFinds(open(), path);
    }
  }));

Deno.test("whatever happens to file and table, find() finds what is in the file", () => {
  const share = fc.double({ min: 0, max: 0.999, noNaN: true });
  const step = fc.oneof(
    fc.record({ do: fc.constant("append" as const), count: fc.integer({ min: 1, max: 150 }) }),
    fc.record({ do: fc.constant("tear" as const), share }),
    fc.record({ do: fc.constant("flip" as const), share }),
    fc.record({ do: fc.constant("replace" as const), count: fc.integer({ min: 1, max: 150 }) }),
    fc.record({ do: fc.constant("restore" as const) }),
  );
  return fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 10 }), (steps) =>
      inFile((path, open, table) => {
        let next = 0;
        let kept: Uint8Array | undefined;
        for (const one of steps) {
          const bytes = Deno.readFileSync(path);
          if (one.do === "append") {
            // As the store appends: behind a torn end it begins with a break.
            const torn = bytes.length > 0 && bytes.at(-1) !== 10;
            Deno.writeTextFileSync(path, `${torn ? "\n" : ""}${textOf(next, one.count)}`, { append: true });
            next += one.count;
          } else if (one.do === "tear") {
            Deno.truncateSync(path, Math.floor(bytes.length * one.share));
          } else if (one.do === "flip" && bytes.length > 0) {
            // Never back to what it was: a line that heals by itself may stay unknown, at the price of a run.
            bytes[Math.floor(bytes.length * one.share)]! += 1;
            Deno.writeFileSync(path, bytes);
          } else if (one.do === "replace") {
            Deno.writeTextFileSync(`${path}.new`, textOf(next, one.count));
            Deno.renameSync(`${path}.new`, path);
            next += one.count;
          } else if (one.do === "restore" && kept !== undefined) {
            // An old table, as a copied or restored cache folder has it.
            Deno.writeFileSync(table, kept);
          }
          assertFindsWhatIsIntact(open(), path);
          try {
            kept ??= Deno.readFileSync(table);
          } catch {
            // There is none yet.
          }
        }
      })),
    { numRuns: 40 },
  );
});
