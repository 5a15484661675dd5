import { checkObjective } from "noiseline/testing";
import objective from "./new_objective.ts";

Deno.test("image and noise come back from a perfect prediction", async () => {
  await checkObjective(objective);
  await checkObjective(objective, { params: { gamma: 1 } });
});
