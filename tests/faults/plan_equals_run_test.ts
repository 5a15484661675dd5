import fc from "fast-check";
import { checkHistory } from "../unit/engine/support/check_world.ts";
import { edits } from "../unit/engine/support/edits.ts";
import { worlds } from "../unit/engine/support/world.ts";

/** Another seed each day, so that the tests go on looking; the printed one repeats a day. */
const seed = Number(Deno.env.get("NOISELINE_SEED") ?? Math.floor(Date.now() / 86_400_000));

Deno.test("whatever the graph and a long history of edits, plan equals run and nothing runs for nothing", async () => {
  // deno-lint-ignore no-console
  console.log(`NOISELINE_SEED=${seed}`);
  const property = fc.asyncProperty(worlds(["source", "mix", "mix", "walk"], 8), edits(false, 12), checkHistory);
  await fc.assert(property, { seed, numRuns: 150, endOnFailure: false });
});

Deno.test("whatever happens to the code of custom stages, plan equals run and nothing runs for nothing", async () => {
  // deno-lint-ignore no-console
  console.log(`NOISELINE_SEED=${seed}`);
  const property = fc.asyncProperty(worlds(["source", "mix", "custom", "custom"], 4), edits(true, 6), checkHistory);
  await fc.assert(property, { seed, numRuns: 15, endOnFailure: true });
});
