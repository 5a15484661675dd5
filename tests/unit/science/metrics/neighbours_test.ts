import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { addNeighbours, noNeighbours } from "../../../../science/metrics/neighbours.ts";

Deno.test("addNeighbours() finds what sorting all distances finds, in whatever parts the vectors come", () => {
  // More numbers than the function reads before it may give up a candidate.
  const dimension = 150;
  const vectors = fc.array(fc.uint8Array({ minLength: dimension, maxLength: dimension }), {
    minLength: 3,
    maxLength: 8,
  });
  fc.assert(
    fc.property(
      vectors,
      vectors,
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 8 }),
      (queries, among, k, size) => {
        for (const query of queries) {
          const found = noNeighbours(k);
          for (let first = 0; first < among.length; first += size) {
            addNeighbours(found, query, among.slice(first, first + size).flatMap((each) => [...each]), first);
          }
          const { indices, squares } = found;
          const wanted = among.map((other, index) => ({
            index,
            square: other.reduce((sum, value, i) => sum + (value - query[i]!) ** 2, 0),
          })).sort((a, b) => a.square - b.square || a.index - b.index).slice(0, k);
          assertEquals(
            [...indices],
            wanted.map(({ index }) => index),
          );
          assertEquals([...squares], wanted.map(({ square }) => square));
        }
      },
    ),
  );
});
