import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Curve } from "../../../cli/format/curve.ts";

const drawn = (values: readonly number[], decay = 0) => {
  const curve = new Curve(decay);
  const shown = values.map((value) => curve.add(value));
  return { text: curve.draw().trimEnd(), shown };
};

Deno.test("Curve draws from the lowest to the highest in eight levels, and smooths", () => {
  assertEquals(drawn([7, 6, 5, 4, 3, 2, 1, 0]).text, "█▇▆▅▄▃▂▁");
  assertEquals(drawn([2, 2]).text, "▁▁");
  assertEquals(drawn([]).text, "");
  assertEquals(drawn([1, 2], 0.5).shown, [1, 1.5]);
});

Deno.test("Curve has at most 16 cells, which fall as the values do, however many there are", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 3_000 }), (count) => {
    const { text } = drawn(Array.from({ length: count }, (_, i) => -i));
    const levels = [...text].map((level) => "▁▂▃▄▅▆▇█".indexOf(level));
    assert(levels.length >= Math.min(count, 8) && levels.length <= 16, text);
    assertEquals(levels, levels.toSorted((a, b) => b - a));
    assert(count === 1 || levels[0] === 7, text);
  }));
});
