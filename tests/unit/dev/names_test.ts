import { assertEquals } from "@std/assert";
import plugin from "../../../dev/lint/names.ts";

const findingsIn = (code: string) =>
  Deno.lint.runPlugin(plugin, "some.ts", code).map(({ range }) => code.slice(...range));

Deno.test("an object that begins as {} is not asked for names, and one without prototype may be", () => {
  const code = `
const made: Record<string, unknown> = {};
made[id] ??= entry;
made[id] = entry;
made["own"] ??= entry;
const bare: Record<string, unknown> = Object.create(null);
bare[id] ??= entry;
const counts = {};
counts[name] = (counts[name] ?? 0) + 1;
`;
  assertEquals(findingsIn(code), ["made[id]", "counts[name]"]);
});
