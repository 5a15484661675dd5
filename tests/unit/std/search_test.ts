import { assertEquals } from "@std/assert";
import { survivors } from "../../../std/halving.ts";
import { sobolPoints } from "../../../std/sobol.ts";
import { rank } from "../../../stages/select/rank.ts";

/** From SciPy and numpy, by tests/peers/search/reference.py. */
interface Reference {
  readonly points: number[][];
  /** Scores by rung and trial, a digit each and N for NaN, and the trials that reach each rung, the best first. */
  readonly tables: [eta: number, goal: "lowest" | "highest", scores: string[], reached: number[][]][];
}

const reference: Reference = JSON.parse(
  Deno.readTextFileSync(new URL("../../golden/search.json", import.meta.url)),
);

Deno.test("sobolPoints() are SciPy's, to the bit, in each number of dimensions", () => {
  for (let dimensions = 1; dimensions <= 10; dimensions++) {
    const wanted = reference.points.map((point) => point.slice(0, dimensions));
    assertEquals([...sobolPoints(wanted.length, dimensions)], wanted);
  }
});

Deno.test("rank() and survivors() promote whom numpy promotes, in 1,000 tables with ties and NaN", () => {
  assertEquals(reference.tables.length, 1000);
  for (const [eta, goal, scores, wanted] of reference.tables) {
    const rankings: { candidate: number; value: number | null }[][] = [];
    const counts: number[] = [];
    const reached = scores.map((row, rung) => {
      const trials = rung === 0
        ? [...row].map((_, trial) => trial)
        : survivors(rankings, counts).map(({ trial }) => trial);
      const values = trials.map((trial) => row[trial] === "N" ? null : Number(row[trial]));
      const ranking = rank(values, goal);
      rankings.push(ranking.map((candidate) => ({ candidate, value: values[candidate]! })));
      counts.push(Math.floor(trials.length / eta));
      return ranking.map((place) => trials[place]!);
    });
    assertEquals(reached, wanted);
  }
});
