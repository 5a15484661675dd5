import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { FormatError } from "../../../formats/format_error.ts";
import { parseJsonl, stringifyJsonl } from "../../../formats/jsonl.ts";

Deno.test("parseJsonl() gives back what stringifyJsonl() wrote", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), (records) => {
      // JSON itself turns -0 into 0.
      const plain = JSON.parse(JSON.stringify(records));
      assertEquals(parseJsonl(stringifyJsonl(records)), { records: plain, torn: undefined });
    }),
    { seed: 1, numRuns: 200 },
  );
});

Deno.test("parseJsonl() gives the whole records before the tear when the text is cut anywhere", () => {
  const records = [{ step: 1, loss: 0.5 }, { step: 2, note: "a\nb" }, { step: 12 }];
  const text = stringifyJsonl(records);
  const ends = records.map((_, i) => stringifyJsonl(records.slice(0, i + 1)).length);
  for (let length = 0; length <= text.length; length++) {
    const parsed = parseJsonl(text.slice(0, length));
    // An object is whole one character before its line end.
    const whole = ends.filter((end) => end - 1 <= length).length;
    assertEquals(parsed.records, records.slice(0, whole));
    assertEquals(parsed.torn === undefined, length === 0 || ends.some((end) => end === length || end - 1 === length));
  }
});

Deno.test("parseJsonl() takes an unended number for torn", () => {
  assertEquals(parseJsonl("1\n23"), { records: [1], torn: "23" });
});

Deno.test("parseJsonl() skips empty lines and carriage returns", () => {
  assertEquals(parseJsonl('\r\n{"a":1}\r\n\n[2]\n'), { records: [{ a: 1 }, [2]], torn: undefined });
});

Deno.test("parseJsonl() throws with the line number when a line in the middle is broken", () => {
  const error = assertThrows(() => parseJsonl('{"a":1}\n{"b":\n{"c":3}\n'), FormatError, "JSON line 2");
  assertEquals(error.got, '"{\\"b\\":"');
});

Deno.test("parseJsonl() throws nothing but FormatError when the text is noise", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        parseJsonl(text);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
    }),
    { seed: 1, numRuns: 500 },
  );
});

Deno.test("stringifyJsonl() throws rather than hide a number that JSON does not have", () => {
  assertThrows(() => stringifyJsonl([{ loss: 1 }, { loss: NaN }]), RangeError, 'JSON line 2, "loss": got NaN');
  assertThrows(() => stringifyJsonl([undefined]), RangeError, "got undefined");
});
