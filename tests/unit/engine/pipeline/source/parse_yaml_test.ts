import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import type { Span } from "../../../../../engine/diagnostic/diagnostic.ts";
import { formatSpan } from "../../../../../engine/diagnostic/format.ts";
import type { DocumentPath } from "../../../../../engine/diagnostic/document.ts";
import { parseYaml } from "../../../../../engine/pipeline/source/parse_yaml.ts";
import { countCalls, growthOf } from "../../../../support/work.ts";

function parse(text: string) {
  const parsed = parseYaml({ name: "p.yaml", text });
  if (!parsed.ok) throw new Error(parsed.diagnostics.map(({ message }) => message).join("\n"));
  return parsed.value;
}

function problems(text: string) {
  const parsed = parseYaml({ name: "p.yaml", text });
  if (parsed.ok) throw new Error(`It parses: ${text}`);
  return parsed.diagnostics;
}

const written = (span: Span | undefined) => span?.source.text.slice(span.start, span.end);

Deno.test("locate() finds keys and values of maps and lists", () => {
  const document = parse("name: x\nstages:\n  train:\n    with: { steps: 10, list: [1, [2, 30]] }\n");
  const at = (path: DocumentPath, target?: "key" | "value") => {
    const span = document.locate(path, target);
    return span === undefined ? undefined : `${formatSpan(span)} ${written(span)}`;
  };
  assertEquals(at(["name"]), "p.yaml:1:7 x");
  assertEquals(at(["stages", "train"], "key"), "p.yaml:3:3 train");
  assertEquals(at(["stages", "train", "with", "steps"]), "p.yaml:4:20 10");
  assertEquals(at(["stages", "train", "with", "steps"], "key"), "p.yaml:4:13 steps");
  assertEquals(at(["stages", "train", "with", "list", 1, 1]), "p.yaml:4:38 30");
  assertEquals(at(["stages", "gone"]), undefined);
  assertEquals(at(["name", "deeper"]), undefined);
});

Deno.test("locate() points at the key where the value is not written", () => {
  const document = parse("stages:\n  train:\n    with:\n");
  assertEquals(written(document.locate(["stages", "train", "with"])), "with");
});

Deno.test("locate() follows aliases to where the value is written", () => {
  const document = parse("a: &x { b: 12 }\nc: *x\n");
  assertEquals(formatSpan(document.locate(["c", "b"])!), "p.yaml:1:12");
});

Deno.test("locate() counts columns rightly after CRLF and characters of two UTF-16 units", () => {
  const document = parse("name: x\r\nvars: { ü: 1, 😀: two }\r\nseed: 3\r\n");
  assertEquals(formatSpan(document.locate(["vars", "😀"])!), "p.yaml:2:19");
  assertEquals(formatSpan(document.locate(["seed"])!), "p.yaml:3:7");
});

Deno.test("parseYaml() reports each duplicate key with the place of the first", () => {
  const found = problems("a: 1\nb: { c: 1, c: 2 }\na: 2\na: 3\n");
  assertEquals(found.map(({ code, message, span }) => `${code} ${message} ${formatSpan(span!)}`), [
    'duplicate-key duplicate key "c" p.yaml:2:12',
    'duplicate-key duplicate key "a" p.yaml:3:1',
    'duplicate-key duplicate key "a" p.yaml:4:1',
  ]);
  assertEquals(formatSpan(found[1]!.related![0]!.span), "p.yaml:1:1");
});

Deno.test('parseYaml() takes 1 and "1" for one key, as the value does', () => {
  assertEquals(problems('1: a\n"1": b\n')[0]!.code, "duplicate-key");
});

Deno.test("parseYaml() says what to do about tabs, conflict markers, aliases and several documents", () => {
  const fixes: [text: string, code: string, fix: string][] = [
    ["a:\n\tb: 1\n", "yaml-syntax", "indent with spaces"],
    ["a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> main\n", "merge-conflict", "resolve the conflict"],
    ["a: 1\n---\nb: 2\n", "yaml-syntax", "keep one document per file"],
    ['a: "x\n', "yaml-syntax", "write the quote that closes it"],
    ["a: { b: 1 c: 2 }\n", "yaml-syntax", "is a , or { missing in or above this line?"],
    ['a: ["x\n', "yaml-syntax", "write the quote that closes it"],
    ["a: [x\nb: [\n", "yaml-syntax", "write the ] that closes it"],
    ["a: @b\n", "yaml-syntax", "correct the YAML"],
    ["a: *nothing\n", "yaml-syntax", "repeat the value"],
    ["a: &a { b: 1 }\nc: { <<: *a }\n", "invalid-value", "extends, profiles or vars"],
    ["%YAML 1.1\n---\na: yes\n", "yaml-syntax", "remove the line"],
    ["? { a: 1 }\n: 2\n", "yaml-syntax", "write the key as a word"],
  ];
  for (const [text, code, fix] of fixes) {
    const [first] = problems(text);
    assertEquals(first!.code, code, text);
    assertStringIncludes(first!.fix!, fix);
    assert(first!.span !== undefined);
  }
});

Deno.test("parseYaml() points at a quote that is not closed, wherever it opens, and reports nothing that follows", () => {
  const lines = [
    "name: n",
    "stages:",
    "  a: { uses: x, with: { b: [c, d] } }",
    "  e:",
    "    - f",
    "    - g: h",
    "i: j",
  ];
  const text = lines.join("\n");
  let tried = 0;
  for (const { 0: word, index } of text.matchAll(/\b\w+\b/g)) {
    for (const [quote, rest] of ['"', "'"].flatMap((one) => [[one, ""], [one, `\nk: ${one}l${one}\n`]] as const)) {
      const found = problems(`${text.slice(0, index)}${quote}${text.slice(index)}${rest}`);
      const [{ message, span, fix }] = found as [typeof found[number]];
      // If the next quote of the file closes it, the parser complains there.
      if (!message.includes("not closed")) continue;
      assertEquals([found.length, span!.start, span!.end], [1, index, index + 1], `${quote}${word}`);
      assertEquals([message, fix], [`not valid YAML: this ${quote} is not closed`, "write the quote that closes it"]);
      tried++;
    }
  }
  assert(tried >= 30, String(tried));
});

Deno.test("parseYaml() takes no line of equal signs within a text for a conflict marker", () => {
  assertEquals(parse("a: |\n  =======\nb: ========\n").value, { a: "=======\n", b: "========" });
});

Deno.test("parseYaml() refuses an alias bomb at once", async () => {
  const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"];
  for (let i = 1; i < 12; i++) lines.push(`a${i}: &a${i} [${Array(9).fill(`*a${i - 1}`).join(", ")}]`);
  const calls = await countCalls(() => assertStringIncludes(problems(`${lines.join("\n")}\n`)[0]!.message, "aliases"));
  // Expanded it would have 9^12 leaves.
  assert(calls < 100_000, `${calls} calls`);
});

for (const text of ["a: &a [*a]\n", "a: &a { b: *a }\n", "a: &a { b: [{ c: *a }] }\n", "&r { a: *r }\n"]) {
  Deno.test(`parseYaml() refuses an alias inside the value that it names: ${text.trim()}`, () => {
    assertEquals(problems(text)[0]!.code, "yaml-syntax");
  });
}

Deno.test("parseYaml() refuses a key called __proto__ wherever it stands, with its place", () => {
  const found = problems('__proto__: { polluted: 1 }\na: [{ "__proto__": 2 }]\n');
  assertEquals(found.map(({ message, span }) => `${message} ${formatSpan(span!)}`), [
    '"__proto__" cannot be a key p.yaml:1:1',
    '"__proto__" cannot be a key p.yaml:2:7',
  ]);
  assertEquals(({} as Record<string, unknown>)["polluted"], undefined);
});

Deno.test("parseYaml() reads as many aliases as a text has, with work that grows with the text", async () => {
  const readMany = (count: number) => {
    const many = Array.from({ length: count }, () => "*a").join(", ");
    assertEquals((parse(`a: &a [1]\nb: [${many}]\n`).value as { b: unknown[] }).b.length, count);
  };
  const readAnchors = (count: number) => {
    const anchors = Array.from({ length: count }, (_, i) => `a${i}: &x [${i}]\nb${i}: *x\n`).join("");
    // An alias refers to the nearest anchor before it.
    assertEquals((parse(anchors).value as Record<string, unknown>)["b432"], [432]);
  };
  // In an earlier version each alias searched the whole document.
  for (const work of [readMany, readAnchors]) {
    const power = await growthOf(work, [1_000, 4_000]);
    assert(power < 1.1, `n^${power}`);
  }
});

Deno.test("parseYaml() refuses too many values and too much nesting where they become too much", () => {
  const tower = Array.from({ length: 120 }, (_, i) => `a${i}: &a${i} [${i === 0 ? "x" : `*a${i - 1}`}]`).join("\n");
  const places: [text: string, place: string, message: string][] = [
    [`a: ${"[".repeat(300)}${"]".repeat(300)}\n`, "p.yaml:1:104", "nested"],
    [`a: 1\nb: ${"[".repeat(30_000)}`, "p.yaml:2:", "nested"],
    [`a: 1\nb:\n  ${"- ".repeat(20_000)}x\nc: 1\n`, "p.yaml:1:", "nested"],
    [`${tower}\n`, "p.yaml:100:", "nested"],
    // Each 1 and each comma is a token, after "a", ":", " " and "[".
    [`a: [${"1,".repeat(300_000)}1]\n`, "p.yaml:1:500001", "500000 tokens"],
    [`a:\n${"-\n".repeat(300_000)}`, "p.yaml:250000:2", "500000 tokens"],
  ];
  for (const [text, place, message] of places) {
    const found = problems(text);
    assertEquals(found.length, 1);
    assertStringIncludes(found[0]!.message, message);
    assertStringIncludes(formatSpan(found[0]!.span!), place);
  }
});

Deno.test("parseYaml() gives a value or diagnostics with places inside the text, whatever the text", () => {
  const token = fc.constantFrom(
    ...[
      "a",
      "b",
      ":",
      " ",
      "\n",
      "  ",
      "\t",
      "-",
      "- ",
      "? ",
      "{",
      "}",
      "[",
      "]",
      ",",
      "&x",
      "*x",
      "!",
      "!!set ",
      "|",
      ">",
    ],
    ...[
      "'",
      '"',
      "#",
      "%",
      "@",
      "`",
      "---",
      "...",
      "<<",
      "0",
      ".nan",
      "~",
      "\r\n",
      "é",
      "😀",
      "\u0000",
      "\ud800",
      "\\",
      "x: y\n",
    ],
  );
  const noise = fc.oneof(fc.string({ unit: "binary" }), fc.array(token, { maxLength: 25 }).map((all) => all.join("")));
  fc.assert(
    fc.property(noise, (text) => {
      const parsed = parseYaml({ name: "p", text });
      if (parsed.ok) return;
      assert(parsed.diagnostics.length > 0);
      for (const { span } of parsed.diagnostics) {
        assert(span !== undefined && span.start >= 0 && span.start <= text.length && span.end >= span.start);
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("parseYaml() refuses nesting that is too deep for the stack", () => {
  assert(problems(`a: ${"[".repeat(50_000)}${"]".repeat(50_000)}\n`).length > 0);
  assert(problems("[".repeat(50_000)).length > 0);
});
