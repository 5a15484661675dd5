import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Metrics } from "../../../artifacts/metrics.ts";
import { decodeSafetensors } from "../../../science/formats/safetensors.ts";
import { CLONE } from "../../support/cli_process.ts";
import { Project } from "../../support/project.ts";

const SMALL = ["--profile", "small"];

/**
 * The research pipelines outside the clone, where they can only use public exports; in one store, as they share images,
 * classifiers and a training.
 */
const project = new Project();
for (const { name } of Deno.readDirSync(`${CLONE}pipelines/research`)) {
  project.copy(`pipelines/research/${name}`, name);
}
Deno.test.afterAll(() => project[Symbol.asyncDispose]());

/** @param grants stages whose definitions may reach the native device */
async function run(name: string, grants: readonly string[] = []): Promise<void> {
  const granted = grants.flatMap((stage) => ["--grant", `${stage}:native`]);
  const ran = await project.cli(["run", `${name}.yaml`, ...SMALL, ...granted]);
  assertEquals(ran.code, 0, ran.stdout + ran.stderr);
  assertStringIncludes((await project.cli(["plan", `${name}.yaml`, ...SMALL])).stdout, "nothing to do");
}

/** Returns a figure of each stage whose name begins with the given text. */
function figures(pipeline: string, [stage, figure]: readonly [string, string]): Map<string, number> {
  const names = project.files(`outputs/${pipeline}`).filter((file) =>
    file.startsWith(stage) && file.endsWith("metrics.json")
  );
  return new Map(names.map((file) => {
    const { metrics } = JSON.parse(project.read(`outputs/${pipeline}/${file}`)) as Metrics;
    const found = metrics.find(({ name }) => name === figure);
    assert(found !== undefined && Number.isFinite(found.value), `${file}: ${metrics.map(({ name }) => name)}`);
    return [file, found.value];
  }));
}

function imagesOf(folder: string): Uint8Array {
  const { tensors } = decodeSafetensors(Deno.readFileSync(project.path(folder, "images.safetensors")));
  return tensors["images"]!.data as Uint8Array;
}

Deno.test("rectified-flow.yaml with its small profile trains on a path of its own, and Euler along it is DDIM", async () => {
  await run("rectified-flow", ["flow", "flow-sample"]);
  assertEquals(figures("rectified-flow", ["flow-judge/score", "FD-classifier"]).size, 4);
  assertEquals(figures("rectified-flow", ["ddpm-judge/score", "FD-classifier"]).size, 2);

  // DDIM is linear in (signal, noise), so on the straight path both samplers are the same formula.
  const sampled = "rectified-flow/flow-sample~by=euler-15~draw=uniform~seed=0";
  const own = imagesOf(`outputs/${sampled}`);
  const set = ["--set", "flow-sample.sampler={ name: ddim, steps: 15 }"];
  const ran = await project.cli(["run", "rectified-flow.yaml", "flow-sample", ...SMALL, ...set]);
  assertEquals(ran.code, 0, ran.stdout + ran.stderr);
  const ddim = imagesOf(`outputs/${sampled}`);
  // The images differ only by rounding, which may move a pixel to the next of 256 levels.
  assert(own.every((pixel, i) => Math.abs(pixel - ddim[i]!) <= 1));
  assert(new Set(own).size > 10);
});

Deno.test("autoguidance.yaml with its small profile draws by an earlier checkpoint, and otherwise within an interval", async () => {
  await run("autoguidance");
  assertEquals(figures("autoguidance", ["judge-", "FD-classifier"]).size, 9);
  const folder = (stage: string) => `outputs/autoguidance/${stage}~seed=0`;
  const [all, within, plain] = ["guided~guidance=3", "guided-within~guidance=3", "plain"].map((stage) =>
    imagesOf(folder(stage))
  );
  assert(all!.some((pixel, i) => pixel !== plain![i]) && all!.some((pixel, i) => pixel !== within![i]));
});

Deno.test("dit.yaml with its small profile trains a network of its own beside the U-Net", async () => {
  await run("dit", ["digits-train"]);
  assertEquals(figures("dit", ["digits-judge/score", "FD-classifier"]).size, 2);
  assertEquals(figures("dit", ["emoji-score", "FD-pixels"]).size, 2);
  assertEquals(figures("dit", ["digits-evaluate", "L_simple"]).size, 2);

  // An edit of a comment reruns nothing; an edit of the code reruns the stages that use the network.
  const source = project.read("dit.ts");
  project.write("dit.ts", source.replace("/** Width of the sinusoids", "/** How many sinusoids there are: the width"));
  assertStringIncludes((await project.cli(["plan", "dit.yaml", ...SMALL])).stdout, "nothing to do");
  project.write("dit.ts", source.replace("const FREQUENCIES = 256", "const FREQUENCIES = 128"));
  const { stages } = (await project.cli(["plan", "dit.yaml", ...SMALL, "--json"])).json;
  const again = stages.filter(({ state }: { state: string }) => state === "run").map(({ id }: { id: string }) => id);
  assert(again.includes("digits-train~network=dit~seed=0"), again.join());
  assert(!again.some((id: string) => id.includes("network=unet")), again.join());
});

Deno.test("latent-or-pixel.yaml with its small profile scores both sorts of samples at 64x64", async () => {
  await run("latent-or-pixel");
  for (const arm of ["latent", "pixel"]) {
    assertEquals(figures("latent-or-pixel", [`${arm}-judge/score`, "FD-classifier"]).size, 1);
    const { count, height, width, dtype } = JSON.parse(
      project.read(`outputs/latent-or-pixel/${arm}~seed=0/images.json`),
    );
    assertEquals([count, height, width, dtype], [16, 64, 64, undefined]);
  }
});
