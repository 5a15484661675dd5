import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Diagnostic, SourceText } from "../../../../engine/diagnostic/diagnostic.ts";
import {
  diagnosticToJson,
  formatDiagnostic,
  formatSpan,
  lineText,
  positionOf,
  showValue,
} from "../../../../engine/diagnostic/format.ts";

const span = (text: string, part: string, name = "p.yaml") => {
  const start = text.indexOf(part);
  return { source: { name, text }, start, end: start + part.length };
};

const problem = (more: Partial<Diagnostic>): Diagnostic => ({
  severity: "error",
  code: "check",
  message: "no",
  ...more,
});

Deno.test("formatDiagnostic() shows place, frame, got, wanted, origin, related places and the fix", () => {
  const text = "stages:\n  train:\n    steps: -5 # few\n";
  const shown = formatDiagnostic(problem({
    message: "steps is not valid",
    span: span(text, "-5"),
    got: "-5",
    wanted: ">0",
    origin: ["p.yaml:3:12", "--set train.steps=-5"],
    related: [{ message: "first written at", span: span(text, "train") }],
    fix: "use 5",
  }));
  assertEquals(
    shown,
    `p.yaml:3:12: error: steps is not valid
  2 |   train:
  3 |     steps: -5 # few
    |            ^^
  got:    -5
  wanted: >0
  from:   p.yaml:3:12
  from:   --set train.steps=-5
  first written at: p.yaml:2:3
  fix:    use 5`,
  );
});

Deno.test("formatDiagnostic() marks a span of several lines to the end of its first", () => {
  const shown = formatDiagnostic(
    problem({ severity: "warning", span: span("a:\n  - one\n  - two\n", "one\n  - two") }),
  );
  assertEquals(shown, "p.yaml:2:5: warning: no\n  1 | a:\n  2 |   - one\n    |     ^^^");
});

Deno.test("formatDiagnostic() keeps the caret in place after tabs and marks an empty span", () => {
  const text = "a:\tb";
  const shown = formatDiagnostic(problem({ span: { ...span(text, "b"), end: text.indexOf("b") } }));
  assertEquals(shown, "p.yaml:1:4: error: no\n  1 | a: b\n    |    ^");
});

Deno.test("formatDiagnostic() shows the place in a long line, with what stands around it", () => {
  const text = `${"before ".repeat(99)}END ${"after ".repeat(99)}`;
  const [, line, carets] = formatDiagnostic(problem({ span: span(text, "END") })).split("\n");
  assertEquals(line!.length, "  1 | ".length + 102);
  assertStringIncludes(line!, "before END after");
  assertEquals(line!.slice(carets!.indexOf("^"), carets!.lastIndexOf("^") + 1), "END");
  // A long span that begins early in its line is shown from its beginning.
  const wide = formatDiagnostic(problem({ span: span(`a: ${"x".repeat(900)}`, "x".repeat(900)) })).split("\n");
  assertEquals(wide.slice(1), [`  1 | a: ${"x".repeat(97)}…`, `    |    ${"^".repeat(97)}`]);
});

Deno.test("formatDiagnostic() puts the caret right after wide, combining and written-out characters", () => {
  for (
    const [before, columns] of [["数字", 4], ["e\u0301", 1], ["😀", 2], ["\u202e", 6], ["\u0007", 6], ["é", 1]] as const
  ) {
    const [, line, carets] = formatDiagnostic(problem({ span: span(`${before}END`, "END") })).split("\n");
    assertEquals(carets!.indexOf("^") - "    | ".length, columns, line);
  }
});

Deno.test("formatDiagnostic() without a place is its message", () => {
  assertEquals(formatDiagnostic(problem({})), "error: no");
});

Deno.test("positionOf() and lineText() are right with CRLF, empty lines and characters of two units", () => {
  const source: SourceText = { name: "p", text: "é: 😀x\r\n\r\nlast" };
  assertEquals(positionOf(source, source.text.indexOf("x")), { line: 1, column: 6 });
  assertEquals(positionOf(source, source.text.indexOf("last")), { line: 3, column: 1 });
  assertEquals(positionOf(source, source.text.length), { line: 3, column: 5 });
  assertEquals([1, 2, 3, 4].map((line) => lineText(source, line)), ["é: 😀x", "", "last", ""]);
  assertEquals(formatSpan(span("a\nbc", "c")), "p.yaml:2:2");
});

Deno.test("diagnosticToJson() gives places as numbers and keeps what is known", () => {
  const json = diagnosticToJson(problem({ span: span("a\nbc", "c"), path: "x.y", fix: "f" }));
  assertEquals(JSON.parse(JSON.stringify(json)), {
    severity: "error",
    code: "check",
    message: "no",
    file: "p.yaml",
    line: 2,
    column: 2,
    path: "x.y",
    fix: "f",
  });
});

Deno.test("showValue() shows what JSON cannot and cuts what is long", () => {
  assertEquals([NaN, undefined, "a", [1]].map(showValue), ["NaN", "undefined", '"a"', "[1]"]);
  assertEquals(showValue("x".repeat(300)).length, 201);
});
