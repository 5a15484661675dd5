import { assertEquals, assertStringIncludes } from "@std/assert";
import { plotRateDistortion, rateDistortion } from "../../../stages/evaluate/bound.ts";

// Two images, each with t = 0, one t that stands for 1..4 and one that stands for 5..9.
const ITEMS = [[0, 1], [2, 4], [7, 5], [0, 1], [4, 4], [5, 5]];
const work = {
  item: (index: number) => {
    const [t, termCount] = ITEMS[index]! as [number, number];
    return { image: Math.floor(index / 3), t, termCount, fillNoise: () => {} };
  },
};
// Bits and mean square errors of each item.
const scores = Float64Array.of(3, 4, 0.5, 100, 0.1, 900, 5, 16, 0.25, 400, 0.3, 2500);

Deno.test("rateDistortion() adds the rate up from the end of the chain, and averages errors by timestep", () => {
  const buckets = [{ from: 0, to: 1 }, { from: 1, to: 5 }, { from: 5, to: 10 }];
  const points = rateDistortion(work, { scores, images: 2, buckets });
  // (5 0.1 + 5 0.3) / 2 = 1; + (4 0.5 + 4 0.25) / 2 = 1.5; + (3 + 5) / 2 = 4.
  assertEquals(points.map(({ from, to, rate }) => [from, to, rate]), [[5, 10, 1], [1, 5, 2.5], [0, 1, 6.5]]);
  assertEquals(points.map(({ rmse }) => rmse ** 2).map(Math.round), [1700, 250, 10]);
});

Deno.test("rateDistortion() leaves out ranges that nothing was evaluated in", () => {
  const buckets = [{ from: 0, to: 1 }, { from: 1, to: 2 }, { from: 2, to: 10 }];
  assertEquals(rateDistortion(work, { scores, images: 2, buckets }).map(({ from }) => from), [2, 0]);
});

Deno.test("plotRateDistortion() says in words where the curves end", () => {
  const svg = plotRateDistortion([{ from: 5, to: 9, rate: 1, rmse: 40 }, { from: 0, to: 5, rate: 6.5, rmse: 2 }], "x");
  assertStringIncludes(svg, "falls to 2.00 and the rate rises to 6.500 bits per dimension");
});
