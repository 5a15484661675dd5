import { hasProgram } from "./proc.ts";
import type { Project } from "./project.ts";

const able = new Deno.Command("python3", { args: ["-c", "import torch, numpy"], stdout: "null", stderr: "null" })
  .output().then(({ success }) => success, () => false);
/** Why python3 cannot train with PyTorch; undefined if it can. */
export const NO_TORCH = await able ? undefined : "no python3 with torch and numpy";
/** The same with several processes. */
export const NO_TORCHRUN = NO_TORCH ?? (hasProgram("torchrun") ? undefined : "no torchrun");

/** Copies the pipelines in PyTorch, with their scripts. */
export function copyPytorch(project: Project): void {
  for (const name of ["digits", "pytorch-digits", "pytorch-parallel"]) {
    project.copy(`pipelines/${name}.yaml`, `pipelines/${name}.yaml`);
  }
  for (const name of ["torch_digits.py", "torch_unet.py"]) {
    project.copy(`dev/bench/peers/${name}`, `dev/bench/peers/${name}`);
  }
}

/** Small numbers, since the question is whether all of it fits together, and one thread beside other tests. */
export const SMALL_TORCH = {
  ...{ "torch.steps": 4, "torch.params.threads": 1 },
  "torch.params.sample": "{count: 16, batchSize: 16, sampler.steps: 5, sampler.eta: 1}",
};

export const setting = (values: Readonly<Record<string, string | number>>): string[] =>
  Object.entries(values).flatMap(([name, value]) => ["--set", `${name}=${value}`]);
