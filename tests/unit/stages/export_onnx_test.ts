import * as ort from "onnxruntime-node";
import onnxProto from "onnx-proto";
import { assert, assertEquals } from "@std/assert";
import { openImages } from "../../../artifacts/image_files.ts";
import { denormalize } from "../../../diffusion/normalizer.ts";
import { createSession } from "../../../tensor/onnx/session.ts";
import { autoencoderKind, decodeKind, encodeKind, exportKind } from "../../support/builtin_kinds.ts";
import { made, MODEL, TRAINING } from "./small_latents.ts";
import { smallImages, withFolder } from "./small_world.ts";

for (const kind of ["kl", "vq"]) {
  Deno.test(`exported models encode and decode as the stages do (${kind})`, async () => {
    await withFolder(async (folder) => {
      const { train: images } = await smallImages(folder);
      const model = kind === "vq" ? { ...MODEL, kind, codes: 16 } : { ...MODEL, kind };
      const autoencoder = await made(folder, autoencoderKind, { params: { ...TRAINING, model }, inputs: { images } });
      const latents = await made(folder, encodeKind, { params: {}, inputs: { images, autoencoder } });
      const decoded = await made(folder, decodeKind, { params: {}, inputs: { samples: latents, autoencoder } });
      const files = await made(folder, exportKind, {
        params: { format: "onnx", weights: "ema" },
        inputs: { checkpoint: autoencoder },
      });
      assertEquals(files.files.map(({ path }) => path).sort(), ["decoder.onnx", "encoder.onnx"]);
      const run = async (half: string, name: string, data: Float32Array, shape: readonly number[]) => {
        const session = await createSession(await files.read(`${half}.onnx`), 1);
        const results = await session.run({ [name]: new ort.Tensor("float32", data, shape) });
        await session.release();
        return results;
      };
      using from = await openImages(images);
      using latent = await openImages(latents);
      using to = await openImages(decoded);
      const three = [0, 1, 2];
      const pixels = Float32Array.from(from.rows(three), (value) => value / 127.5 - 1);
      const { mean, deviation } = await run("encoder", "x", pixels, [3, 8, 8, 1]);
      const stored = latent.rows(three) as Float32Array;
      const error = Math.max(...(mean!.data as Float32Array).map((value, i) => Math.abs(value - stored[i]!)));
      assert(error < 1e-5, `${error}`);
      assertEquals(deviation?.dims, kind === "kl" ? [3, 4, 4, 2] : undefined);
      const { x } = await run("decoder", "latents", stored, [3, 4, 4, 2]);
      const bytes = denormalize(x!.data as Float32Array, from);
      // Another order of summing may move a value across the edge of a level.
      assert(to.rows(three).every((value, i) => Math.abs(value - bytes[i]!) <= 1));
      const { metadataProps } = onnxProto.onnx.ModelProto.decode(await files.read("decoder.onnx"));
      assertEquals(JSON.parse(metadataProps![0]!.value!), {
        ...{ height: 8, width: 8, channels: 1, dtype: "uint8" },
        normalizer: { how: "range", scale: [127.5], shift: [1] },
      });
    });
  });
}
