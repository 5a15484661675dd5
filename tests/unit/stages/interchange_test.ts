import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
import { dirname, join } from "node:path";
import { decodeSafetensors, encodeSafetensors } from "../../../science/formats/safetensors.ts";
import type { InputArtifact } from "../../../engine/contract/stage.ts";
import { exportKind, importKind } from "../../support/builtin_kinds.ts";
import { runStage } from "../../support/stage_context.ts";
import { smallCheckpoint, smallWorld, trainSmall, withFolder } from "./small_world.ts";

const EXPORT = { format: "diffusers" };
const FIXTURE = new URL("../../golden/diffusers/defaults/unet/config.json", import.meta.url);
const UNET_WEIGHTS = "unet/diffusion_pytorch_model.safetensors";

/** Makes a checkpoint of the narrowest network that a UNet2DModel can represent, after one step. */
async function wideCheckpoint(folder: string): Promise<InputArtifact> {
  const params = {
    model: { channels: 128, multipliers: [1], blocks: 1, attention: [] },
    steps: 1,
    batchSize: 2,
    objective: "v",
  };
  const { outputs } = await trainSmall(folder, await smallWorld(folder), { params });
  return outputs["checkpoint"]!;
}

async function exported(folder: string, checkpoint: InputArtifact, weights: "ema" | "raw" = "ema") {
  const { end, outputs } = await runStage(folder, exportKind, {
    params: { ...EXPORT, weights },
    inputs: { checkpoint },
  });
  assertEquals(end, undefined);
  return outputs["files"]!;
}

const imported = (folder: string, path: string) =>
  runStage(folder, importKind, { params: { format: "diffusers", path } });

async function failure(folder: string, path: string): Promise<string> {
  const { end } = await imported(folder, path);
  assert(end?.status === "failed");
  return `${end.message}. ${end.fix}`;
}

Deno.test("a checkpoint is the same after export and import, with what the layout has no place for", async (t) => {
  await withFolder(async (folder) => {
    const checkpoint = await wideCheckpoint(folder);
    const files = await exported(folder, checkpoint);
    assertEquals(files.files.map(({ path }) => path), [
      "model_index.json",
      "scheduler/scheduler_config.json",
      "unet/config.json",
      UNET_WEIGHTS,
    ]);
    const home = dirname(files.path("model_index.json"));
    const weightsOf = (artifact: InputArtifact, name: string) =>
      artifact.files.find(({ path }) => path === `${name}.safetensors`)?.sha256;

    await t.step("averaged weights", async () => {
      const { outputs } = await imported(folder, home);
      const back = outputs["checkpoint"]!;
      assertEquals(await back.readText("config.json"), await checkpoint.readText("config.json"));
      assertEquals(weightsOf(back, "schedule"), weightsOf(checkpoint, "schedule"));
      assertEquals(weightsOf(back, "ema"), weightsOf(checkpoint, "ema"));
      assertEquals(weightsOf(back, "weights"), weightsOf(checkpoint, "ema"));
    });

    await t.step("raw weights, files side by side", async () => {
      const raw = await exported(folder, checkpoint, "raw");
      const flat = await Deno.makeTempDir({ dir: folder });
      for (const { path } of raw.files) await Deno.copyFile(raw.path(path), join(flat, path.split("/").at(-1)!));
      const { outputs } = await imported(folder, flat);
      assertEquals(weightsOf(outputs["checkpoint"]!, "ema"), weightsOf(checkpoint, "weights"));
    });

    await t.step("weights that another program saved: nothing is known of their training", async () => {
      const { tensors } = decodeSafetensors(await files.read(UNET_WEIGHTS));
      await Deno.writeFile(
        files.path(UNET_WEIGHTS),
        Buffer.concat(encodeSafetensors({ tensors, metadata: { format: "pt" } })),
      );
      const { outputs } = await imported(folder, home);
      const config = JSON.parse(await outputs["checkpoint"]!.readText("config.json"));
      assertEquals([config.step, config.images.source, config.objective], [0, { name: "diffusers" }, "v"]);
      assertEquals(config.schedule.name, "ldm/cosine");
    });

    await t.step("all weights that do not fit are named, with both shapes", async () => {
      const { tensors } = decodeSafetensors(await files.read(UNET_WEIGHTS));
      const { "conv_in.bias": bias, "conv_out.bias": _, ...rest } = tensors;
      const bad = { ...rest, "conv_in.bias": { shape: [2, 64], data: bias!.data } };
      await Deno.writeFile(files.path(UNET_WEIGHTS), Buffer.concat(encodeSafetensors({ tensors: bad })));
      const said = await failure(folder, home);
      assertStringIncludes(
        said,
        "got conv_in.bias: [2, 64] in the checkpoint, [128] in the network\n" +
          "conv_out.bias: none in the checkpoint, [1] in the network",
      );
    });

    await t.step("weights of another type or file", async () => {
      const half = { x: { shape: [1], data: Int32Array.of(1) } };
      await Deno.writeFile(files.path(UNET_WEIGHTS), Buffer.concat(encodeSafetensors({ tensors: half })));
      assertStringIncludes(await failure(folder, home), `${UNET_WEIGHTS}, x: got I32, wanted F32`);
      await Deno.writeFile(files.path(UNET_WEIGHTS), Uint8Array.of(1, 2, 3));
      assertStringIncludes(await failure(folder, home), `${UNET_WEIGHTS}, safetensors`);
      await Deno.remove(files.path(UNET_WEIGHTS));
      assertStringIncludes(await failure(folder, home), `${UNET_WEIGHTS}: got no file`);
    });

    await t.step("a config that is none", async () => {
      await Deno.writeTextFile(files.path("unet/config.json"), '{"in_channels": "three"}');
      assertStringIncludes(await failure(folder, home), "in_channels");
      await Deno.writeTextFile(files.path("unet/config.json"), "{");
      assertStringIncludes(await failure(folder, home), "unet/config.json: got text that is not JSON");
    });
  });
});

Deno.test("the config files of an import give facts, and are checked, before anything runs", async () => {
  await withFolder(async (folder) => {
    const config = { ...JSON.parse(await Deno.readTextFile(FIXTURE)), sample_size: 16 };
    await Deno.writeTextFile(join(folder, "config.json"), JSON.stringify(config));
    const check = () => importKind.check!({ format: "diffusers", path: "." }, {}, {}, folder);
    assertStringIncludes(check().problems[0]!.message, "scheduler/scheduler_config.json: got no file");
    assertStringIncludes(check().problems[0]!.fix!, "save_pretrained(folder), in float32");
    await Deno.writeTextFile(join(folder, "scheduler_config.json"), '{"_class_name": "DDPMScheduler"}');
    const { problems, facts } = check();
    assertEquals(problems, []);
    const { network, ...known } = facts!["checkpoint"]!;
    assertEquals(known, {
      ...{ height: 16, width: 16, channels: 3, classes: null, timesteps: 1000, betas: "ho/linear" },
      ...{ learnedVariance: false, objective: "eps" },
    });
    assertEquals((network as { headWidth: number }).headWidth, 8);
    await Deno.writeTextFile(join(folder, "config.json"), JSON.stringify({ ...config, add_attention: false }));
    const [problem] = check().problems;
    assertEquals([problem!.param, problem!.got, problem!.wanted], [["path"], "false", "true"]);
    await Deno.writeTextFile(join(folder, "config.json"), JSON.stringify({ ...config, layers_per_block: "two" }));
    const [value] = check().problems;
    assertStringIncludes(value!.message, 'layers_per_block: got "two"');
    assertEquals(value!.fix, `correct ${join(folder, "config.json")}, or save the folder again`);
    // Nothing in the folder can hang the planner, or crash it.
    const file = join(folder, "config.json");
    const write = (change: object) => () => Deno.writeTextFile(file, JSON.stringify({ ...config, ...change }));
    const hostile: [() => Promise<unknown>, string | undefined][] = [
      [write({ layers_per_block: 1e9 }), "layers_per_block"],
      [write({ block_out_channels: new Array(99).fill(32) }), "block_out_channels"],
      [() => write({})().then(() => Deno.truncate(file, 1e9)), "1000000000 bytes"],
      [() => Deno.mkdir(file), "got no file"],
      [() => new Deno.Command("mkfifo", { args: [file] }).output(), "got no file"],
      [() => Deno.symlink(file, file), undefined],
    ];
    for (const [make, wanted] of hostile) {
      await Deno.remove(file, { recursive: true });
      await make();
      const [bad] = check().problems;
      assertEquals(bad === undefined, wanted === undefined, wanted);
      assertStringIncludes(bad?.message ?? "", wanted ?? "");
    }
    // A folder that is not there is reported with the other paths.
    assertEquals(importKind.check!({ format: "diffusers", path: "absent" }, {}, {}, folder).problems, []);
  });
});

Deno.test("a network too narrow for the layout ends the export with the widths that work", async () => {
  await withFolder(async (folder) => {
    const { checkpoint } = await smallCheckpoint(folder);
    const { end } = await runStage(folder, exportKind, { params: EXPORT, inputs: { checkpoint } });
    assert(end?.status === "failed");
    assertStringIncludes(end.message, "got channels 4: 1, 2, 3, 4 groups");
    assertStringIncludes(end.fix ?? "", "at least 128");
  });
});

/** Makes a folder as the library does, but with a changed scheduler. */
async function withScheduler(folder: string, of: string, change: Record<string, unknown>): Promise<string> {
  const home = await Deno.makeTempDir({ dir: folder });
  for (const name of ["model_index.json", "unet/config.json", UNET_WEIGHTS, "scheduler/scheduler_config.json"]) {
    await Deno.mkdir(dirname(join(home, name)), { recursive: true });
    await Deno.copyFile(join(of, name), join(home, name));
  }
  const file = join(home, "scheduler/scheduler_config.json");
  const text = JSON.stringify({ ...JSON.parse(await Deno.readTextFile(file)), ...change });
  await Deno.writeTextFile(file, text);
  return home;
}

Deno.test("a scheduler's settings are the same after import and export, a network without its last step is refused", async (t) => {
  await withFolder(async (folder) => {
    const files = await exported(folder, await wideCheckpoint(folder));
    const home = dirname(files.path("model_index.json"));
    const roundTrip = async (change: Record<string, unknown>) => {
      const { end, outputs } = await imported(folder, await withScheduler(folder, home, change));
      assertEquals(end, undefined);
      const out = await exported(folder, outputs["checkpoint"]!);
      const { _diffusers_version, ...scheduler } = JSON.parse(await out.readText("scheduler/scheduler_config.json"));
      return { scheduler, index: JSON.parse(await out.readText("model_index.json")) };
    };
    const { _diffusers_version, ...given } = JSON.parse(await files.readText("scheduler/scheduler_config.json"));

    await t.step("every setting", async () => {
      const change = {
        clip_sample: false,
        thresholding: true,
        dynamic_thresholding_ratio: 0.9,
        sample_max_value: 2,
        timestep_spacing: "leading",
        steps_offset: 1,
        variance_type: "fixed_small",
        something_new: { a: [1] },
      };
      assertEquals((await roundTrip(change)).scheduler, { ...given, ...change });
    });

    await t.step("what the file leaves out has the library's defaults, not ours", async () => {
      const gone = { variance_type: undefined, timestep_spacing: undefined };
      const { scheduler } = await roundTrip(gone);
      assertEquals([scheduler.variance_type, scheduler.timestep_spacing], ["fixed_small", "leading"]);
    });

    await t.step("a DDIMScheduler stays one", async () => {
      const change = { _class_name: "DDIMScheduler", set_alpha_to_one: false, variance_type: undefined };
      const { scheduler, index } = await roundTrip(change);
      assertEquals(scheduler, JSON.parse(JSON.stringify({ ...given, ...change })));
      assertEquals([index._class_name, index.scheduler], ["DDIMPipeline", ["diffusers", "DDIMScheduler"]]);
    });

    await t.step("noise predicted where there is nothing but noise", async () => {
      const blind = { prediction_type: "epsilon", rescale_betas_zero_snr: true };
      const said = await failure(folder, await withScheduler(folder, home, blind));
      assertStringIncludes(said, "a network that predicts the noise cannot use a schedule that ends in pure noise");
      assertStringIncludes(said, "correct prediction_type");
      await roundTrip({ rescale_betas_zero_snr: true });
    });
  });
});
