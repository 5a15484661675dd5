import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { nearestNeighbours } from "../../../metrics/neighbours.ts";

Deno.test("nearestNeighbours() finds what sorting all distances finds", () => {
  // More numbers than the function reads before it may give up a candidate.
  const dimension = 150;
  const vectors = fc.array(fc.uint8Array({ minLength: dimension, maxLength: dimension }), {
    minLength: 3,
    maxLength: 8,
  });
  fc.assert(fc.property(vectors, vectors, fc.integer({ min: 1, max: 3 }), (queries, among, k) => {
    const packed = Uint8Array.from(among.flatMap((each) => [...each]));
    for (const query of queries) {
      const { indices, squares } = nearestNeighbours(query, packed, k);
      const wanted = among.map((other, index) => ({
        index,
        square: other.reduce((sum, value, i) => sum + (value - query[i]!) ** 2, 0),
      })).sort((a, b) => a.square - b.square || a.index - b.index).slice(0, k);
      assertEquals([...indices], wanted.map(({ index }) => index));
      assertEquals([...squares], wanted.map(({ square }) => square));
    }
  }));
});
