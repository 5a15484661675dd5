import { assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { didYouMean, suggestName } from "../../../std/did_you_mean.ts";

Deno.test("didYouMean() finds slips of the keyboard and case, and nothing that is far", () => {
  const known = ["steps", "batchSize", "learningRate"];
  assertEquals(didYouMean("stpes", known), "steps");
  assertEquals(didYouMean("step", known), "steps");
  assertEquals(didYouMean("learningrate", known), "learningRate");
  assertEquals(didYouMean("learning_rate", known), "learningRate");
  assertEquals(didYouMean("epochs", known), undefined);
  assertEquals(didYouMean("x", []), undefined);
});

Deno.test("suggestName() names the nearest, else the first dozen, else says to remove it", () => {
  assertEquals(suggestName("step", ["steps"]), 'did you mean "steps"?');
  assertEquals(suggestName("other", ["a1", "b2"]), "use one of: a1, b2");
  assertEquals(suggestName("x", []), "remove it");
  assertEquals(suggestName("other", ["", "n".repeat(5_000)]), `use one of: "", ${"n".repeat(60)}…`);
  const many = Array.from({ length: 13 }, (_, i) => `name-${i}`);
  assertEquals(suggestName("zzzzzz", many), `use one of: ${many.slice(0, 12).join(", ")}, … (13 in all)`);
});

Deno.test("no refused name is suggested again", () => {
  const names = fc.string({ minLength: 1, maxLength: 6 });
  fc.assert(fc.property(names, fc.array(names), (written, others) => {
    assertNotEquals(suggestName(written, [...others, written]), `did you mean "${written}"?`);
  }));
});
