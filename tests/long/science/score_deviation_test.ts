// Simulates the claims of docs/metrics.md about `bootstrap`, and compares the numbers of the table there. With
// `NOISELINE_FAULTS=all` it does so with each of them, which takes two minutes on one core; else it leaves out those of
// many images of 64 dimensions, which take three quarters of that time.
import { assert, assertEquals } from "@std/assert";
import { ALL } from "../../support/faults/tally.ts";
import { deviationRatio, type Trials } from "../../support/deviation_trials.ts";

const DOCS = new URL("../../../docs/metrics.md", import.meta.url);
const COUNTS = [30, 100, 200, 400];
const SHIFTS = [0, 0.5];

/**
 * A deviation estimated from 400 values is known to 4% (one standard error). Fewer dimensions scatter more, and cost
 * less.
 */
const TRIALS: Readonly<Record<number, Trials>> = {
  4: { drawn: 400, judged: 60, times: 50 },
  16: { drawn: 400, judged: 30, times: 50 },
  64: { drawn: 400, judged: 12, times: 50 },
};

Deno.test("the deviation by bootstrap is near what new sets scatter by, over the table of docs/metrics.md", async () => {
  const docs = await Deno.readTextFile(DOCS);
  const rows: string[] = [];
  for (const [dimension, trials] of Object.entries(TRIALS)) {
    const ratios: string[] = [];
    for (const shift of SHIFTS) {
      for (const count of COUNTS) {
        if (!ALL && dimension === "64" && count > 100) {
          ratios.push("…");
          continue;
        }
        const ratio = await deviationRatio({ count, dimension: Number(dimension), shift }, trials);
        assert(ratio > 0.8 && ratio < 1.25, `${count} images of ${dimension} dimensions: ${ratio}`);
        ratios.push(ratio.toFixed(2));
      }
    }
    rows.push([dimension, ...ratios].join(" | "));
  }
  const written = docs.split("\n").map((line) => line.slice(1, -1).trim().replaceAll(/ +/g, " "));
  // Seeds are fixed, so only the last digit can differ, on machines with another exp or log.
  const found = written.filter((line) => /^(4|16|64) \| \d\.\d\d \|/.test(line));
  const tried = (line: string, row: number) =>
    line.split(" | ").map((cell, i) => rows[row]?.split(" | ")[i] === "…" ? "…" : cell).join(" | ");
  assertEquals(found.map(tried), rows);
});

Deno.test("resamples with replacement scatter far more than new sets, as docs/metrics.md says", async () => {
  const trials = { drawn: 400, judged: 12, times: 50, withReplacement: true };
  const ratio = await deviationRatio({ count: 100, dimension: 64, shift: 0 }, trials);
  assert(ratio > 2.4 && ratio < 3, `${ratio}`);
});
