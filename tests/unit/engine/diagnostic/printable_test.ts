import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { printable } from "../../../../engine/diagnostic/format.ts";

Deno.test("what acts on a terminal is written out, and colours are left away", () => {
  assertEquals(printable("\u001b[1;31mred\u001b[0m"), "red");
  assertEquals(printable("\u001b]0;title\u0007 \u009b2J \u007f"), "\\u001b]0;title\\u0007 \\u009b2J \\u007f");
  assertEquals(
    printable("gnp.\u202etxt \u2066a\u2069 \u200f \u061c"),
    "gnp.\\u202etxt \\u2066a\\u2069 \\u200f \\u061c",
  );
  assertEquals(printable("a\tb é 数 🙂"), "a\tb é 数 🙂");
});

Deno.test("a line break begins a line under the prefix that is given", () => {
  assertEquals(printable("10%\r20%\r\nend\nnext"), "10%\n20%\nend\nnext");
  assertEquals(printable("one\ntwo\rthree", "\ntrain: "), "one\ntrain: two\ntrain: three");
  assertEquals(printable("one\r\ntwo", " "), "one two");
});

Deno.test("whatever the text, nothing that acts is left, and JSON means the same", () => {
  const text = fc.array(fc.oneof(
    fc.integer({ min: 0, max: 0x20 }),
    fc.integer({ min: 0x7e, max: 0xa0 }),
    fc.constantFrom(0x1b, 0x5b, 0x6d, 0x61c),
    fc.integer({ min: 0x2000, max: 0x2070 }),
  )).map((codes) => String.fromCharCode(...codes));
  const mayStand = (character: string) => {
    const code = character.charCodeAt(0);
    const isDirection = code === 0x61c || code === 0x200e || code === 0x200f || (code >= 0x202a && code <= 0x202e) ||
      (code >= 0x2066 && code <= 0x2069);
    return character === "\t" || character === "\n" || (code >= 0x20 && code < 0x7f) || (code > 0x9f && !isDirection);
  };
  fc.assert(fc.property(text, (text) => {
    assert([...printable(text)].every(mayStand), JSON.stringify(printable(text)));
    assertEquals(JSON.parse(printable(JSON.stringify({ text }))), { text });
  }));
});
