import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { dirname, join } from "node:path";
import { readCheckpoint } from "../../../artifacts/checkpoint.ts";
import { toUnet2dTensors } from "../../../science/diffusion/interchange/unet2d_tensors.ts";
import { unpackParameters } from "../../../science/diffusion/network.ts";
import type { UnetConfig } from "../../../science/diffusion/unet/config.ts";
import { decodeSafetensors, encodeSafetensors } from "../../../science/formats/safetensors.ts";
import { BATCH, encodeBatches, STEPS } from "../../peers/diffusers/fine_tune_batches.ts";
import { importKind, scheduleKind, trainKind } from "../../support/builtin_kinds.ts";
import { runStage } from "../../support/stage_context.ts";
import { formulaWeights } from "../science/diffusion/interchange_weights.ts";
import { smallImages, withFolder } from "./small_world.ts";

/** Made by tests/peers/diffusers/fine_tune.py with diffusers 0.42.1 and torch 2.15.0, in float64. */
const GOLDEN = new URL("../../golden/diffusers/fine_tune/", import.meta.url);
const golden = (name: string) => Deno.readFileSync(new URL(name, GOLDEN));

/** The two runs of fine_tune.py. */
const RUNS = {
  tuned: {},
  frozen: { freeze: ["down.*"], adam: { weightDecay: 0.1 } },
};

Deno.test("twenty steps of fine-tuning move the weights of a diffusers network as PyTorch moves them", async (t) => {
  await withFolder(async (folder) => {
    const { train: images } = await smallImages(folder);
    assertEquals(
      await encodeBatches(images),
      golden("batches.safetensors"),
      "fine_tune_batches.ts writes other batches",
    );

    const theirs = join(folder, "theirs");
    const tensors = formulaWeights(JSON.parse(new TextDecoder().decode(golden("shapes.json"))));
    const weights = Buffer.concat(encodeSafetensors({ tensors }));
    const files = { "unet/diffusion_pytorch_model.safetensors": weights };
    const configs = ["unet/config.json", "scheduler/scheduler_config.json"].map((name) =>
      [name, golden(name)] as const
    );
    for (const [name, bytes] of [...Object.entries(files), ...configs]) {
      await Deno.mkdir(dirname(join(theirs, name)), { recursive: true });
      await Deno.writeFile(join(theirs, name), bytes);
    }
    const imported = await runStage(folder, importKind, { params: { format: "diffusers", path: theirs } });
    const schedule = await runStage(folder, scheduleKind, { params: { betas: "ho/linear", timesteps: 1000 } });
    const inputs = { images, schedule: schedule.outputs["schedule"]!, start: imported.outputs["checkpoint"]! };
    for (const [name, more] of Object.entries(RUNS)) {
      await t.step(name, async () => {
        const recipe = { steps: STEPS, batchSize: BATCH, learningRate: 1e-3, gradClip: 1 };
        const { end, outputs } = await runStage(folder, trainKind, {
          params: { model: "start", ...recipe, ...more },
          inputs,
        });
        assertEquals(end, undefined);
        const { params, network, config } = await readCheckpoint(outputs["checkpoint"]!, "raw", []);
        const ours = toUnet2dTensors(unpackParameters(params, network), config.model as UnetConfig);
        const wanted = decodeSafetensors(golden(`${name}.safetensors`)).tensors;
        let [error, distance] = [0, 0];
        for (const [key, { data }] of Object.entries(wanted)) {
          const [before, after] = [tensors[key]!.data, ours[key]!.data];
          after.forEach((value, i) => {
            error += (value - Number(data[i])) ** 2;
            distance += (Number(data[i]) - before[i]!) ** 2;
          });
        }
        assert(Math.sqrt(distance) > 1, `moved by ${Math.sqrt(distance)}`);
        const share = Math.sqrt(error / distance);
        // float32 against float64, over twenty steps of Adam.
        assert(share <= 1e-3, `off by ${share} of the distance that they moved`);
      });
    }
  });
});
