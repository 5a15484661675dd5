import { checkSampler } from "noiseline/testing";
import sampler from "./new_sampler.ts";

Deno.test("the sampler draws from a Gaussian that is known", async () => {
  await checkSampler(sampler);
  await checkSampler(sampler, { params: { steps: 200, eta: 1 } });
});
