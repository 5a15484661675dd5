import fc from "fast-check";
import { checkHistory } from "../unit/engine/support/check_world.ts";
import { EDITS, edits } from "../unit/engine/support/edits.ts";
import { worlds } from "../unit/engine/support/world.ts";
import { numRuns, seeds } from "../support/seeds.ts";

// Seed 1193: a stage of a matrix waited for a stage of another matrix, with which none of its children agrees; this is
// refused.
for (const seed of seeds(1, 1193)) {
  Deno.test(`whatever the graph and a long history of edits, plan equals run and nothing runs for nothing (seed ${seed})`, async () => {
    const property = fc.asyncProperty(
      worlds(["source", "mix", "mix", "walk", "deal"], 8),
      edits(false, 12),
      checkHistory,
    );
    await fc.assert(property, { seed, numRuns: numRuns(seed === 1 ? 150 : 15), endOnFailure: false });
  });
}

Deno.test("each edit of the code of a custom stage, and each of its layout, is new work or none, as the model says", async () => {
  const edited = EDITS.filter((what) => /^(code|layout)-/.test(what));
  const [world] = fc.sample(worlds(["custom"], 1), { seed: 1, numRuns: 1 });
  const history = ["code-reads" as const, ...edited].map((what) => ({ what, at: 0, by: 1 }));
  await checkHistory(world!, history);
});

for (const seed of seeds(1)) {
  Deno.test(`whatever happens to the code of custom stages, plan equals run and nothing runs for nothing (seed ${seed})`, async () => {
    const property = fc.asyncProperty(worlds(["source", "mix", "custom", "custom"], 4), edits(true, 6), checkHistory);
    await fc.assert(property, { seed, numRuns: numRuns(8), endOnFailure: true });
  });
}
