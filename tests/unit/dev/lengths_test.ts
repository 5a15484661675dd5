import { assertEquals } from "@std/assert";
import plugin from "../../../dev/lint/lengths.ts";

const bodyOf = (lines: number) => `{\n${"  work();\n".repeat(lines - 2)}}`;

Deno.test("a long function is reported where it begins, nested ones too; a short one is not, nor is one of a test", () => {
  const code = `
export function long() ${bodyOf(200)}
const short = () => ${bodyOf(20)};
class Maker { make() { return () => ${bodyOf(200)}; } }
`;
  const findingsIn = (file: string) =>
    Deno.lint.runPlugin(plugin, file, code).map(({ id, range: [start] }) => [id, code.slice(start, start + 12)]);
  assertEquals(findingsIn("engine/some.ts"), [
    ["lengths/function", "function lon"],
    ["lengths/function", "make() { ret"],
    ["lengths/function", "() => {\n  wo"],
  ]);
  assertEquals(findingsIn("tests/unit/some_test.ts"), []);
});
