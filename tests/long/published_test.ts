import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { encodeSafetensors } from "../../formats/safetensors.ts";
import type { Metrics } from "../../artifacts/metrics.ts";
import { cifarArchive } from "../support/cifar_archive.ts";
import { Project } from "../support/project.ts";
import { fixtureJson, formulaWeights } from "../unit/diffusion/interchange_weights.ts";

/**
 * Writes a pipeline folder as diffusers saves it: the layout of google/ddpm-cifar10-32, with fewer levels and arbitrary
 * weights.
 */
async function writePublished(project: Project, folder: string): Promise<void> {
  project.write(join(folder, "model_index.json"), JSON.stringify(fixtureJson("levels", "model_index.json")));
  const unet = { ...fixtureJson("levels", "unet/config.json"), sample_size: 32 };
  project.write(join(folder, "unet/config.json"), JSON.stringify(unet));
  project.write(
    join(folder, "scheduler/scheduler_config.json"),
    JSON.stringify({
      _class_name: "DDPMScheduler",
      num_train_timesteps: 1000,
      beta_start: 1e-4,
      beta_end: 0.02,
      beta_schedule: "linear",
      variance_type: "fixed_large",
      clip_sample: true,
    }),
  );
  const tensors = formulaWeights(fixtureJson("levels", "shapes.json"));
  const file = project.path(join(folder, "unet/diffusion_pytorch_model.safetensors"));
  await Deno.writeFile(file, encodeSafetensors({ tensors, metadata: { format: "pt" } }));
}

Deno.test("published.yaml scores a folder of diffusers, and says so where there is none", async () => {
  await using project = new Project();
  for (const name of ["cifar.yaml", "published.yaml"]) project.copy(join("pipelines", name), name);
  project.write("cifar-10-binary.tar.gz", cifarArchive());
  const options = [
    ...["--profile", "small", "--set", "images.path=cifar-10-binary.tar.gz", "--set", "checkpoint.path=published"],
    ...["--set", "sample.sampler.steps=2", "--set", "evaluate.limit=10", "--set", "evaluate.bound.timesteps=2"],
  ];
  const without = await project.cli(["run", "published.yaml", ...options]);
  assertEquals(without.code, 2);
  assertStringIncludes(without.stderr, 'stage "checkpoint": cannot read path: no such file or folder');

  await writePublished(project, "published");
  const ran = await project.cli(["run", "published.yaml", ...options]);
  assertEquals(ran.code, 0, ran.stdout + ran.stderr);
  const { metrics } = JSON.parse(project.read("outputs/published/score/metrics.json")) as Metrics;
  assertEquals(metrics.find(({ name }) => name === "FD-classifier")?.count, 64);
});
