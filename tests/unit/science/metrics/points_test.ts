import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import reference from "../../../golden/metrics/points.json" with { type: "json" };
import {
  energyDistance,
  gaussianDiscrepancy,
  medianDistance,
  slicedWasserstein,
} from "../../../../science/metrics/points.ts";
import { assertClose } from "../diffusion/assert_close.ts";
import { lcgValues } from "./lcg.ts";

for (const [name, wanted] of Object.entries(reference.distances)) {
  const { real, fake, dimension } = wanted;
  Deno.test(`distances of ${name}, ${real} and ${fake} in ${dimension} dimensions, are those of numpy, scipy and POT`, () => {
    const a = { data: lcgValues(1, real * dimension), count: real, dimension };
    const b = { data: lcgValues(2, fake * dimension).map((u) => 1.2 * u + 0.1), count: fake, dimension };
    // Both sides are in float64; differences of means lose up to three of its sixteen digits.
    const tolerance = { rel: 1e-11, abs: 1e-14 };
    assertClose(energyDistance(a, b), wanted.energy, tolerance);
    assertClose(slicedWasserstein(a, b, lcgValues(3, 20 * dimension)), wanted.sliced, tolerance);
    assertClose(medianDistance(a), wanted.bandwidth, tolerance);
    assertClose(gaussianDiscrepancy(a, b, wanted.bandwidth), wanted.discrepancy, tolerance);
  });
}

Deno.test("a set is at no distance from itself in another order, and at the shift's from itself shifted along a direction", () => {
  const coordinate = fc.double({ min: -10, max: 10, noNaN: true });
  const points = fc.array(fc.tuple(coordinate, coordinate), { minLength: 2, maxLength: 30 });
  fc.assert(fc.property(points, coordinate, (rows, shift) => {
    const set = (data: number[]) => ({ data: Float64Array.from(data), count: rows.length, dimension: 2 });
    const [a, turned] = [set(rows.flat()), set(rows.toReversed().flat())];
    assert(Math.abs(energyDistance(a, turned)) < 1e-11);
    assertEquals(slicedWasserstein(a, turned, Float64Array.of(1, 0)), 0);
    const moved = set(rows.flatMap(([x, y]) => [x + shift, y]));
    assertClose(slicedWasserstein(a, moved, Float64Array.of(3, 0)), Math.abs(shift), { rel: 1e-13, abs: 1e-13 });
    assert(energyDistance(a, moved) > -1e-11);
  }));
});
