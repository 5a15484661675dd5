import { assert, assertEquals } from "@std/assert";
import { findTorch } from "../../../science/tensor/torch/installation.ts";
import { cifarArchive } from "../../support/cifar_archive.ts";
import { skipTestsUnless } from "../../support/proc.ts";
import { Project } from "../../support/project.ts";

const absent = skipTestsUnless("folder" in findTorch(), "device torch is not set up (deno task setup:torch)");
const SMALL = ["--profile", "small"];

/** Runs a pipeline with stages put on torch, and checks that they ran there. */
async function runOnTorch(project: Project, file: string, stages: readonly string[], args: readonly string[] = []) {
  const placed = stages.flatMap((stage) =>
    [`${stage}.device=torch`, `${stage}.threads=1`].flatMap((one) => ["--set", one])
  );
  const { code, stdout, stderr } = await project.cli(["run", file, ...SMALL, ...placed, ...args, "--json"]);
  assertEquals(code, 0, stdout + stderr);
  const { runId } = JSON.parse(stdout.trimEnd().split("\n").at(-1)!);
  const record = JSON.parse(project.read(`.noiseline/runs/${runId}/run.json`)).stages;
  for (const stage of stages) {
    const children = Object.keys(record).filter((id) => id.split("~")[0] === stage);
    assert(children.length > 0, stage);
    for (const id of children) assert(record[id].numerics.startsWith("torch-cpu/"), `${id}: ${record[id].numerics}`);
  }
}

Deno.test({
  name: "cifar.yaml with its small profile runs on torch",
  ignore: absent,
  async fn() {
    await using project = new Project();
    project.copy("pipelines/cifar.yaml", "cifar.yaml");
    project.write("cifar-10-binary.tar.gz", cifarArchive());
    const stages = ["train", "evaluate", "evaluate-train", "sample", "classifier", "real", "fake", "early-sample"];
    await runOnTorch(project, "cifar.yaml", stages, ["--set", "images.path=cifar-10-binary.tar.gz"]);
  },
});

Deno.test({
  name: "a network of one's own, DiT, trains and draws on torch",
  ignore: absent,
  async fn() {
    await using project = new Project();
    for (const name of ["dit.yaml", "dit.ts", "judge.yaml"]) project.copy(`pipelines/research/${name}`, name);
    const stages = ["digits-train", "digits-evaluate", "digits-sample"];
    const grants = stages.flatMap((stage) => ["--grant", `${stage}:native`]);
    await runOnTorch(project, "dit.yaml", stages, ["digits-evaluate", "digits-sample", ...grants]);
  },
});
