import { assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { readCheckpoint } from "../../../artifacts/checkpoint.ts";
import type { StageContext, StageEnd } from "../../../engine/contract/stage.ts";
import { folderArtifact, openInput } from "../../../engine/process/context.ts";
import { unet2dConfigSchema } from "../../../science/diffusion/interchange/config_schemas.ts";
import { fromUnet2dConfig } from "../../../science/diffusion/interchange/unet2d_config.ts";
import { toUnet2dTensors } from "../../../science/diffusion/interchange/unet2d_tensors.ts";
import { sizeOf } from "../../../science/diffusion/network.ts";
import { unetParameterSpecs } from "../../../science/diffusion/unet/plan.ts";
import { encodeSafetensors } from "../../../science/formats/safetensors.ts";
import checkCommand from "../../../stages/command/check.ts";
import { withFolder } from "./small_world.ts";

const FIXTURE = new URL("../../golden/diffusers/labels/", import.meta.url).pathname;

/** Checks a folder as a script leaves it. @returns what is wrong */
async function check(folder: string): Promise<StageEnd | undefined> {
  const write = async (name: string, content: string | Uint8Array | readonly Uint8Array[]) => {
    const bytes = typeof content === "string" || content instanceof Uint8Array ? [content] : content;
    await Deno.writeFile(join(folder, name), new Uint8Array(await new Blob(bytes as BlobPart[]).arrayBuffer()));
  };
  const context = { params: { outputs: { net: "checkpoint" } }, outputs: { net: { folder, write } }, note() {} };
  return await checkCommand(context as unknown as StageContext) as StageEnd | undefined;
}

async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for (const { name, isFile } of Deno.readDirSync(from)) {
    await (isFile ? Deno.copyFile : copy)(join(from, name), join(to, name));
  }
}

/** Writes weights that all have one value. */
async function writeWeights(folder: string, value: number): Promise<void> {
  const config = JSON.parse(await Deno.readTextFile(join(folder, "config.json")));
  const model = fromUnet2dConfig(unet2dConfigSchema.parse(config));
  const specs = unetParameterSpecs(model);
  const named = Object.fromEntries(specs.map((spec) => [spec.name, new Float32Array(sizeOf(spec)).fill(value)]));
  const parts = encodeSafetensors({ tensors: toUnet2dTensors(named, model) });
  await Deno.writeFile(
    join(folder, "diffusion_pytorch_model.safetensors"),
    new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer()),
  );
}

Deno.test("a folder of diffusers becomes a checkpoint, with averaged weights, the step and the seed", async () => {
  await withFolder(async (folder) => {
    for (const part of ["unet", "scheduler"]) await copy(join(FIXTURE, part), join(folder, part));
    await copy(join(FIXTURE, "unet"), join(folder, "ema"));
    await writeWeights(join(folder, "unet"), 0.5);
    await writeWeights(join(folder, "ema"), 0.25);
    await Deno.writeTextFile(join(folder, "noiseline.json"), '{"step": 30, "seed": 7}');
    assertEquals(await check(folder), undefined);
    const names = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
    assertEquals(names, ["config.json", "ema.safetensors", "schedule.safetensors", "weights.safetensors"]);
    const artifact = openInput(folderArtifact(folder, "checkpoint"));
    const [raw, ema] = await Promise.all(["raw", "ema"].map((weights) => readCheckpoint(artifact, weights, [])));
    assertEquals([raw!.config.step, raw!.config.seed], [30, 7]);
    assertEquals([new Set(raw!.params), new Set(ema!.params)], [new Set([0.5]), new Set([0.25])]);
  });
});

Deno.test("a network that noiseline cannot compute is refused with the field that makes it different", async () => {
  await withFolder(async (folder) => {
    for (const part of ["unet", "scheduler"]) await copy(join(FIXTURE, part), join(folder, part));
    const config = join(folder, "unet/config.json");
    await Deno.writeTextFile(
      config,
      JSON.stringify({ ...JSON.parse(await Deno.readTextFile(config)), add_attention: false }),
    );
    const end = await check(folder);
    assertMatch(
      (end as { readonly message: string }).message,
      /^output "net" is not of type checkpoint: .*add_attention/,
    );
  });
});
