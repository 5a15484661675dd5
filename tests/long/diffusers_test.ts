import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { readCheckpoint, type StoredCheckpoint } from "../../artifacts/checkpoint.ts";
import { fromTheirAutoencoder, toTheirAutoencoder } from "../../science/diffusion/interchange/autoencoder_config.ts";
import {
  fromAutoencoderTensors,
  fromLdmTensors,
  selectLdmTensors,
  toAutoencoderTensors,
} from "../../science/diffusion/interchange/autoencoder_tensors.ts";
import { autoencoderConfigSchema } from "../../science/diffusion/interchange/autoencoder_schema.ts";
import { makeModelOutput, modelOutputSignature, oneHotLabels } from "../../science/diffusion/network.ts";
import {
  decodeSafetensors,
  encodeSafetensors,
  floatsOf,
  type SafetensorsTensor,
} from "../../science/formats/safetensors.ts";
import { readTorchStateDict } from "../../science/formats/torch/state_dict.ts";
import { type Device, openDevice } from "../../science/tensor/mod.ts";
import { autoencoderErrors } from "../support/autoencoders.ts";
import { exportKind, importKind } from "../support/builtin_kinds.ts";
import { runPeer, whyNoDiffusers } from "../support/peers.ts";
import { seeds } from "../support/seeds.ts";
import { runStage } from "../support/stage_context.ts";
import { withFolder } from "../unit/stages/small_world.ts";

const why = whyNoDiffusers();

/** Images with channels last become images with channels first. */
function channelsFirst(data: ArrayLike<number>, [batch, height, width, channels]: readonly number[]): number[] {
  const pixels = height! * width!;
  return Array.from({ length: batch! * pixels * channels! }, (_, i) => {
    const [image, channel, pixel] = [
      Math.floor(i / (pixels * channels!)),
      Math.floor(i / pixels) % channels!,
      i % pixels,
    ];
    return data[(image * pixels + pixel) * channels! + channel]!;
  });
}

/** Returns the largest error of the prediction for the example that the library saved beside its network. */
async function predictionError(device: Device, folder: string, { network, params }: StoredCheckpoint): Promise<number> {
  const { tensors } = decodeSafetensors(await Deno.readFile(join(folder, "example.safetensors")));
  const [x, t, labels, output] = ["x", "t", "labels", "output"].map((name) => tensors[name]!);
  const { sizes: { height, width, channels, classes } } = network;
  const batch = x!.shape[0]!;
  const images = new Float32Array(x!.data.length);
  channelsFirst(images.map((_, i) => i), [batch, height, width, channels]).forEach((at, i) =>
    images[at] = Number(x!.data[i])
  );
  const compiled = await device.compile(makeModelOutput(network), modelOutputSignature(network, batch));
  // The last of the library's labels is "no label" here.
  const told = classes === undefined ? {} : {
    classes: oneHotLabels(
      Array.from(labels!.data, Number).map((label) => label === classes ? undefined : label),
      classes,
    ),
  };
  const got = await compiled.run({ params, x: images, t: Int32Array.from(t!.data, Number), ...told });
  await compiled.dispose();
  const predicted = channelsFirst(got["output"]!, [batch, height, width, channels]);
  return Math.max(...predicted.map((value, i) => Math.abs(value - Number(output!.data[i]))));
}

for (const seed of seeds(1)) {
  const title = `networks that diffusers saved predict the same here, and come back the same (seed ${seed})`;
  Deno.test(why === undefined ? title : `${title} (skipped: ${why})`, { ignore: why !== undefined }, async (t) => {
    await withFolder(async (folder) => {
      const [theirs, ours] = [join(folder, "theirs"), join(folder, "ours")];
      const saved = await runPeer("diffusers/models.py", "save", theirs, `${seed}`, "12");
      assertEquals(saved.code, 0, saved.said);
      const device = await openDevice("onnx");
      for (const { name } of Deno.readDirSync(theirs)) {
        await t.step(name, async () => {
          const params = { format: "diffusers", path: join(theirs, name) };
          const { end, outputs } = await runStage(folder, importKind, { params });
          assertEquals(end, undefined);
          const checkpoint = outputs["checkpoint"]!;
          const error = await predictionError(device, params.path, await readCheckpoint(checkpoint, "ema", []));
          // float32 of two libraries; outputs have a standard deviation of 0.2 to 0.4.
          assert(error <= 1e-5, `off by ${error}`);
          const exported = await runStage(folder, exportKind, {
            params: { format: "diffusers" },
            inputs: { checkpoint },
          });
          const files = exported.outputs["files"]!;
          for (const { path } of files.files) {
            await Deno.mkdir(dirname(join(ours, name, path)), { recursive: true });
            await Deno.rename(files.path(path), join(ours, name, path));
          }
        });
      }
      await device.dispose();
      const { code, printed, said } = await runPeer("diffusers/models.py", "compare", theirs, ours);
      assertEquals([code, printed.trim()], [0, "the same"], said);
    });
  });
}

for (const seed of seeds(1)) {
  const title =
    `autoencoders that diffusers saved encode and decode the same here, and come back the same (seed ${seed})`;
  Deno.test(why === undefined ? title : `${title} (skipped: ${why})`, { ignore: why !== undefined }, async (t) => {
    await withFolder(async (folder) => {
      const saved = await runPeer("diffusers/autoencoders.py", "save", folder, `${seed}`, "16");
      assertEquals(saved.code, 0, saved.said);
      const device = await openDevice("onnx");
      const floatsIn = (what: string, tensors: Readonly<Record<string, SafetensorsTensor>>) =>
        Object.fromEntries(
          Object.entries(tensors).map((
            [name, { shape, data }],
          ) => [name, { shape, data: floatsOf(what, { shape, data }) }]),
        );
      for (const { name } of [...Deno.readDirSync(folder)]) {
        await t.step(name, async () => {
          const place = join(folder, name);
          const theirs = autoencoderConfigSchema.parse(JSON.parse(await Deno.readTextFile(join(place, "config.json"))));
          const { config, factor } = fromTheirAutoencoder(theirs);
          const read = async (file: string) => decodeSafetensors(await Deno.readFile(join(place, file))).tensors;
          const weights = floatsIn(name, await read("diffusion_pytorch_model.safetensors"));
          const named = fromAutoencoderTensors(weights, config);
          const errors = await autoencoderErrors(device, config, named, await read("example.safetensors"));
          // float32 of two libraries; codes are whole numbers.
          for (const [of, error] of Object.entries(errors)) assert(error <= 1e-5, `${of} off by ${error}`);
          assertEquals(errors["indices"] ?? 0, 0);
          const checkpoint = join(place, "model.ckpt");
          if (existsSync(checkpoint)) {
            const stateDict = await readTorchStateDict(await Deno.readFile(checkpoint), { entry: "state_dict" });
            const { tensors, leftOut } = selectLdmTensors(Object.fromEntries(stateDict));
            assertEquals(fromLdmTensors(floatsIn(name, tensors)), { config, named });
            assertEquals(leftOut[0], "loss (2)");
          }
          const ours = join(place, "ours");
          await Deno.mkdir(ours);
          const written = toTheirAutoencoder({ config, factor });
          await Deno.writeTextFile(join(ours, "config.json"), JSON.stringify(written));
          const parts = encodeSafetensors({ tensors: toAutoencoderTensors(named, config), metadata: { format: "pt" } });
          await Deno.writeFile(join(ours, "diffusion_pytorch_model.safetensors"), Buffer.concat(parts));
        });
      }
      await device.dispose();
      const { code, printed, said } = await runPeer("diffusers/autoencoders.py", "check", folder);
      assertEquals([code, printed.trim()], [0, "the same"], said);
    });
  });
}
