import { assertEquals, assertMatch } from "@std/assert";
import type { Json } from "../../support/cli_process.ts";
import { Project } from "../../support/project.ts";

/** Returns why python3 cannot train; undefined if it can. */
async function findTrouble(): Promise<string | undefined> {
  const imports = ["-c", "import torch, numpy"];
  const asked = new Deno.Command("python3", { args: imports, stdout: "null", stderr: "null" }).output();
  const able = await asked.then(({ success }) => success, () => false);
  return able ? undefined : "no python3 with torch and numpy";
}

const trouble = await findTrouble();

Deno.test({
  name: `pipelines/pytorch-digits.yaml scores a script in PyTorch beside noiseline's own${
    trouble === undefined ? "" : ` (skipped: ${trouble})`
  }`,
  ignore: trouble !== undefined,
  fn: async () => {
    await using project = new Project({});
    for (const name of ["digits.yaml", "pytorch-digits.yaml"]) project.copy(`pipelines/${name}`, `pipelines/${name}`);
    for (const name of ["torch_digits.py", "torch_unet.py"]) project.copy(`bench/peers/${name}`, `bench/peers/${name}`);
    const file = "pipelines/pytorch-digits.yaml";
    // Small numbers, since the question is whether all of it fits together, and one thread beside other tests.
    const small = {
      ...{ "train.steps": 4, "torch.steps": 4, "torch.params.threads": 1, "classifier.steps": 20, "sample.count": 16 },
      ...{ "torch.params.sample": "{count: 16, batchSize: 16, sampler.steps: 5, sampler.eta: 1}" },
      ...{ "sample.sampler.steps": 5, "sample.trajectory.images": 1, "score.kid.size": 8, "torch-score.kid.size": 8 },
    };
    const set = Object.entries(small).flatMap(([name, value]) => ["--set", `${name}=${value}`]);
    const args = [file, "score", "torch-score", ...set];
    const { code, stdout, stderr } = await project.cli(["run", ...args, "--grant", "torch:run=python3"]);
    assertEquals(code, 0, stdout + stderr);
    for (const stage of ["score", "torch-score"]) {
      assertMatch(stdout, new RegExp(`^ *pytorch-digits +${stage} +FD-classifier .* N 16$`, "m"));
    }
    // More steps go on from the states that the script saved.
    const { json } = await project.cli(["plan", ...args, "--set", "torch.steps=6", "--json"]);
    const [torch] = json.stages.filter(({ id }: Json) => id === "torch");
    assertEquals([torch.state, torch.fromStep], ["extend", 4]);
  },
});
