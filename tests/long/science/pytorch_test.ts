import { assertEquals, assertMatch } from "@std/assert";
import type { Json } from "../../support/cli_process.ts";
import { askedGrants } from "../../support/commands.ts";
import { Project } from "../../support/project.ts";
import { copyPytorch, NO_TORCH, NO_TORCHRUN, setting, SMALL_TORCH } from "../../support/pytorch.ts";

/** Registers a test in a project that has the pipelines in PyTorch. */
function pytorchTest(name: string, why: string | undefined, test: (project: Project) => Promise<void>): void {
  Deno.test({
    name: `pipelines/${name}${why === undefined ? "" : ` (skipped: ${why})`}`,
    ignore: why !== undefined,
    fn: async () => {
      await using project = new Project({});
      copyPytorch(project);
      await test(project);
    },
  });
}

const SMALL = { ...SMALL_TORCH, "classifier.steps": 20, "torch-score.kid.size": 8 };

pytorchTest(
  "pytorch-digits.yaml scores a script in PyTorch beside noiseline's own",
  NO_TORCH,
  async (project) => {
    const file = "pipelines/pytorch-digits.yaml";
    const set = setting({
      ...SMALL,
      ...{ "train.steps": 4, "sample.count": 16, "sample.sampler.steps": 5, "sample.trajectory.images": 1 },
      "score.kid.size": 8,
    });
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
);

pytorchTest(
  "pytorch-parallel.yaml scores two processes beside one, and a run that goes on ends in the same bytes",
  NO_TORCHRUN,
  async (project) => {
    const file = "pipelines/pytorch-parallel.yaml";
    const grants = await askedGrants(project, file);
    const args = [file, "torch-score", ...setting(SMALL), ...grants];
    const { code, stdout, stderr } = await project.cli(["run", ...args]);
    assertEquals(code, 0, stdout + stderr);
    for (const processes of [1, 2]) {
      assertMatch(
        stdout,
        new RegExp(`^ *pytorch-parallel processes=${processes} +torch-score +FD-classifier .* N 16$`, "m"),
      );
    }
    const weights = "outputs/pytorch-parallel/torch~processes=2/weights/weights.pt";
    const run = async (...more: readonly string[]) => {
      const ran = await project.cli(["run", ...args, "torch", "--set", "torch.steps=6", ...more]);
      assertEquals(ran.code, 0, ran.stdout + ran.stderr);
      return Deno.readFile(project.path(weights));
    };
    const extended = await run();
    // Without the states of the shorter training.
    assertEquals(extended, await run("--store", project.path("another")));
  },
);
