import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { findGpus } from "../../../engine/run/slots.ts";
import { decodeSafetensors, encodeSafetensors } from "../../../science/formats/safetensors.ts";
import type { Metrics } from "../../../artifacts/metrics.ts";
import { cifarArchive } from "../../support/cifar_archive.ts";
import { onlyIf } from "../../support/proc.ts";
import { Project } from "../../support/project.ts";
import { fixtureJson, formulaWeights } from "../../unit/science/diffusion/interchange_weights.ts";

const OPTIONS = ["--profile", "small", "--set", "images.path=cifar-10-binary.tar.gz"];

/** Makes a project with the pipelines of the clone, beside an archive in the official layout. */
function newProject(): Project {
  const project = new Project();
  for (const name of ["cifar.yaml", "cifar-cosine.yaml"]) project.copy(join("pipelines", name), name);
  project.write("cifar-10-binary.tar.gz", cifarArchive());
  return project;
}

/** The project in which the small pipeline has run; a published checkpoint is scored by its images and features. */
let ran: Promise<Project> | undefined;

async function runCifar(): Promise<Project> {
  const project = newProject();
  const { code, stdout, stderr } = await project.cli(["run", "cifar.yaml", ...OPTIONS]);
  assertEquals(code, 0, stdout + stderr);
  return project;
}

Deno.test.afterAll(async () => {
  await (await ran)?.[Symbol.asyncDispose]();
});

/** Returns the names of the figures in a stage's outputs folder. */
function figuresOf(project: Project, stage: string): string[] {
  return (JSON.parse(project.read(`outputs/cifar/${stage}/metrics.json`)) as Metrics).metrics.map(({ name }) => name);
}

Deno.test("cifar.yaml with its small profile runs from the archive to the page", async () => {
  const project = await (ran ??= runCifar());
  const { tensors } = decodeSafetensors(await Deno.readFile(project.path("outputs/cifar/sample/images.safetensors")));
  assertEquals(tensors["images"]!.shape, [64, 32, 32, 3]);
  for (const stage of ["evaluate", "evaluate-train"]) assert(figuresOf(project, stage).includes("bits/dim"), stage);
  const wanted = ["FD-classifier", "KD-classifier", "IS-classifier", "precision", "recall"];
  const found = figuresOf(project, "score");
  assertEquals(wanted.filter((name) => !found.some((one) => one.startsWith(name))), [], found.join());
  // Both checkpoints were saved during the training.
  for (const at of [20, 40]) {
    assert(figuresOf(project, `early-score~at=${at}`).includes("FD-classifier"));
    const { step } = JSON.parse(project.read(`outputs/cifar/train@${at}/checkpoint/config.json`));
    assertEquals(step, at);
  }
  const page = project.read("outputs/cifar/report.html");
  for (const what of ["early-score", "FD-classifier", "bits/dim"]) assertStringIncludes(page, what);
  assertStringIncludes((await project.cli(["plan", "cifar.yaml", ...OPTIONS])).stdout, "nothing to do");

  // The improved pipeline shares only the images and what is made from them.
  const { stdout } = await project.cli(["plan", "cifar-cosine.yaml", ...OPTIONS, "--json"]);
  const restored = JSON.parse(stdout).stages.filter(({ state }: { state: string }) => state === "restore");
  assertEquals(restored.map(({ id }: { id: string }) => id), ["images", "classifier", "real"]);
});

Deno.test({
  ...onlyIf(
    findGpus().length === 0,
    "there is a card that may do it in days",
    "cifar.yaml as it is says what it takes before it fetches anything, and starts with --yes",
  ),
  async fn() {
    await using project = newProject();
    const refused = await project.cli(["run", "cifar.yaml"]);
    assertEquals([refused.code, refused.stdout], [2, ""], refused.stderr);
    // 3.8e18 FLOP take a processor of 10 to 1000 GFLOP/s months to years.
    assertMatch(refused.stderr, /takes at least about ([\d.]+ years|\d+d \d+h) on this machine \(.*train /);
    assertStringIncludes(refused.stderr, "make it smaller with --profile small; or");
    assertEquals([project.list("outputs"), project.list(".noiseline/cache/downloads")], [[], []]);

    const options = ["--yes", "--set", "images.path=cifar-10-binary.tar.gz"];
    // Only the training: stages that compute take turns, and the features would download their network first.
    await using running = project.start(["run", "cifar.yaml", "train", ...options, "--json"]);
    await running.event(({ type, id }) => type === "stage-started" && id.startsWith("train"));
    running.signal("SIGKILL");
  },
});

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
  await Deno.writeFile(file, Buffer.concat(encodeSafetensors({ tensors, metadata: { format: "pt" } })));
}

Deno.test("published.yaml scores a folder of diffusers, and says so where there is none", async () => {
  const project = await (ran ??= runCifar());
  project.copy("pipelines/published.yaml", "published.yaml");
  const options = [
    ...[...OPTIONS, "--set", "checkpoint.path=published"],
    ...["--set", "sample.sampler.steps=2", "--set", "evaluate.limit=10", "--set", "evaluate.bound.timesteps=2"],
  ];
  const without = await project.cli(["run", "published.yaml", ...options]);
  assertEquals(without.code, 2);
  assertStringIncludes(without.stderr, 'stage "checkpoint": cannot read path: no such file or folder');

  await writePublished(project, "published");
  const { code, stdout, stderr } = await project.cli(["run", "published.yaml", ...options]);
  assertEquals(code, 0, stdout + stderr);
  const { metrics } = JSON.parse(project.read("outputs/published/score/metrics.json")) as Metrics;
  assertEquals(metrics.find(({ name }) => name === "FD-classifier")?.count, 64);
});
