import { assertEquals } from "@std/assert";
import plugin from "../../../dev/lint/clocks.ts";

const CODE = `
const started = performance.now();
const age = Date.now() - 1_000;
const now = Date.now;
Date.now = () => now() + 60_000;
const date = new Date(5);
const text = "Date.now()";
`;

Deno.test("a test that reads a clock is reported; one that sets a clock is not, nor is code that is no test", () => {
  const findingsIn = (file: string) =>
    Deno.lint.runPlugin(plugin, file, CODE).map(({ id, range }) => [id, CODE.slice(...range)]);
  assertEquals(findingsIn("tests/unit/some_test.ts"), [
    ["clocks/no-clock-in-tests", "performance.now()"],
    ["clocks/no-clock-in-tests", "Date.now()"],
  ]);
  assertEquals(findingsIn("tests/support/until.ts"), []);
});
