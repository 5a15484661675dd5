import * as ort from "onnxruntime-node";
import onnxProto from "onnx-proto";
import { assert, assertEquals } from "@std/assert";
import { dirname } from "node:path";
import { openImages } from "../../../artifacts/image_files.ts";
import { writeImages } from "../../../artifacts/images.ts";
import { denormalize } from "../../../science/diffusion/normalizer.ts";
import { folderArtifact, openInput, openOutput } from "../../../engine/process/context.ts";
import { range } from "../../../science/metrics/vectors.ts";
import { createSession } from "../../../science/tensor/onnx/session.ts";
import { autoencoderKind, decodeKind, encodeKind, exportKind, importKind } from "../../support/builtin_kinds.ts";
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
        ...{ channels: 1, dtype: "uint8" },
        normalizer: { how: "range", scale: [127.5], shift: [1] },
      });
    });
  });
}

const IMPORTED = {
  kl: { groups: 4 },
  "kl with attention": { groups: 4, attention: [0, 1] },
  vq: { groups: 4, kind: "vq", codes: 16, embedChannels: 3 },
};

for (const [name, more] of Object.entries(IMPORTED)) {
  Deno.test(`models of an imported autoencoder (${name}) take images of any size that the autoencoder takes`, async () => {
    await withFolder(async (folder) => {
      const { train } = await smallImages(folder);
      const training = { ...TRAINING, model: { ...MODEL, ...more }, steps: 1 };
      const trained = await made(folder, autoencoderKind, { params: training, inputs: { images: train } });
      const saved = await made(folder, exportKind, {
        params: { format: "diffusers" },
        inputs: { checkpoint: trained },
      });
      const importing = { format: "autoencoder", path: dirname(saved.path("config.json")) };
      const autoencoder = await made(folder, importKind, { params: importing, inputs: {} });
      const files = await made(folder, exportKind, { params: { format: "onnx" }, inputs: { checkpoint: autoencoder } });
      const [encoder, decoder] = [
        await createSession(await files.read("encoder.onnx"), 1),
        await createSession(await files.read("decoder.onnx"), 1),
      ];
      for (const [count, height, width] of [[3, 8, 8], [1, 16, 40], [2, 28, 4]] as const) {
        const place = await Deno.makeTempDir({ dir: folder });
        const pixels = Uint8Array.from({ length: count * height * width }, (_, i) => (37 * i + i ** 2) % 251);
        await writeImages(openOutput(place), { info: { height, width, channels: 1 }, pixels });
        const images = openInput(folderArtifact(place, "images"));
        const latents = await made(folder, encodeKind, { params: {}, inputs: { images, autoencoder } });
        const decoded = await made(folder, decodeKind, { params: {}, inputs: { samples: latents, autoencoder } });
        using latent = await openImages(latents);
        using to = await openImages(decoded);
        const x = Float32Array.from(pixels, (value) => value / 127.5 - 1);
        const { mean } = await encoder.run({ x: new ort.Tensor("float32", x, [count, height, width, 1]) });
        const all = range(0, count);
        const stored = latent.rows(all) as Float32Array;
        assertEquals(mean!.dims, [...latent.shape]);
        const error = stored.reduce((most, one, i) => Math.max(most, Math.abs(one - Number(mean!.data[i]))), 0);
        assert(error < 1e-4, `${height}x${width}: ${error}`);
        const given = new ort.Tensor("float32", stored, [...latent.shape]);
        const seen = (await decoder.run({ latents: given }))["x"]!;
        assertEquals(seen.dims, [count, height, width, 1]);
        const bytes = denormalize(seen.data as Float32Array, to, "round");
        // Another order of summing may move a value across the edge of a level.
        assert(to.rows(all).every((value, i) => Math.abs(value - bytes[i]!) <= 1), `${height}x${width}`);
        assert(new Set(bytes).size > 10);
      }
      await encoder.release();
      await decoder.release();
      const { graph } = onnxProto.onnx.ModelProto.decode(await files.read("decoder.onnx"));
      const dims = graph!.input![0]!.type!.tensorType!.shape!.dim!.map(({ dimParam, dimValue }) =>
        dimParam || Number(dimValue)
      );
      assertEquals(dims.slice(0, 3), ["batch", "latents_height", "latents_width"]);
    });
  });
}
