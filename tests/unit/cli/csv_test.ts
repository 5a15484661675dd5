import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { toCsv } from "../../../cli/format/metrics.ts";

Deno.test("toCsv() quotes what separates, and keeps texts from being formulas and numbers as they are", () => {
  const cells = (row: Parameters<typeof toCsv>[0][number]) => toCsv([row])[0];
  assertEquals(
    cells(["a,b", 'say "x"', "two\nlines", "back\rward", undefined, ""]),
    '"a,b","say ""x""","two\nlines","back\rward",,',
  );
  // The list of OWASP's page "CSV Injection".
  assertEquals(cells(["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx"]), `'=1+1,'+1,'-1,'@x,'\tx,"'\rx","'\nx"`);
  assertEquals(cells([-1.5, 1e-7, -0, 3]), "-1.5,1e-7,0,3");
  assertEquals(cells(["a-b", "x=1", "rate=0.001"]), "a-b,x=1,rate=0.001");
});

Deno.test("whatever the cells, a reader of RFC 4180 finds as many, none of them a formula", () => {
  const text = fc.string({ unit: fc.constantFrom('"', ",", "\r", "\n", "\t", "=", "+", "-", "@", "a", " ") });
  fc.assert(fc.property(fc.array(fc.array(text, { minLength: 1, maxLength: 4 }), { minLength: 1 }), (rows) => {
    const read = toCsv(rows).map(parseRow);
    assertEquals(read.map((row) => row.length), rows.map((row) => row.length));
    for (const [i, row] of read.entries()) {
      for (const [k, cell] of row.entries()) {
        assertEquals(/^[=+\-@\t\r\n]/.test(cell), false, cell);
        assertEquals(cell.replace(/^'(?=[=+\-@\t\r\n])/, ""), rows[i]![k]);
      }
    }
  }));
});

/** Parses one record; a line break within quotes is part of its cell. */
function parseRow(line: string): string[] {
  return [...`,${line}`.matchAll(/,(?:"((?:[^"]|"")*)"|([^",\r\n]*))/g)].map(([, quoted, plain]) =>
    quoted?.replaceAll('""', '"') ?? plain!
  );
}
