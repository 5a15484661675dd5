import { assertEquals } from "@std/assert";
import { comparePins } from "../../../tools/kinds/pins.ts";
import { readKindFacts, readPins } from "../../../tools/pin_kinds.ts";

Deno.test("every built-in kind runs the code that is pinned for its version", async () => {
  const problems = comparePins(await readPins(), await readKindFacts());
  assertEquals(problems, [], `\n${problems.join("\n\n")}\n`);
});
