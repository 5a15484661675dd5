import { assertEquals, assertStringIncludes } from "@std/assert";
import { readAutoencoder, readDecoder } from "../../../artifacts/autoencoder.ts";
import { filesOf } from "../../../artifacts/checkpoint.ts";
import { openImages } from "../../../artifacts/image_files.ts";
import { decodePng } from "../../../science/formats/png_decoder.ts";
import { knownCells } from "../../../stages/inpaint/drawer.ts";
import {
  autoencoderKind,
  decodeKind,
  demoKind,
  encodeKind,
  inpaintKind,
  interpolateKind,
  sampleKind,
} from "../../support/builtin_kinds.ts";
import { runStage } from "../../support/stage_context.ts";
import { said } from "../../unit/stages/own_definitions.ts";
import { made, MODEL, trainedOn, TRAINING } from "../../unit/stages/small_latents.ts";
import { smallImages, withFolder } from "../../unit/stages/small_world.ts";

Deno.test("with the autoencoder, pictures of samples show decoded images, and the samples are the same bytes", async () => {
  await withFolder(async (folder) => {
    const { train: images } = await smallImages(folder);
    const trained = (seed: number, more = {}) => {
      const params = { ...TRAINING, model: { ...MODEL, ...more } };
      return made(folder, autoencoderKind, { params, inputs: { images }, seed });
    };
    const [autoencoder, other, wide] = [await trained(1), await trained(2), await trained(1, { latentChannels: 4 })];
    const latents = await made(folder, encodeKind, { params: {}, inputs: { images, autoencoder } });
    const { checkpoint } = await trainedOn(folder, latents);
    const sampler = { name: "ddim", steps: 2 };
    // More batches than one, of which the last is not full; a decoder has eight images at a time.
    const sampling = { count: 14, batchSize: 10, sampler, trajectory: { images: 3, frames: 2 } };
    const starts = { images: latents, checkpoint };
    const cases = [
      [sampleKind, sampling, { checkpoint }, ["grid.png", "trajectory.png", "trajectory-x0.png"], [14, 6, 6]],
      [interpolateKind, { pairs: 2, points: 3, timestep: 30, sampler }, starts, ["grid.png", "interpolation.png"], [
        6,
        10,
      ]],
      [inpaintKind, { count: 5, sampler }, starts, ["grid.png", "inpainting.png"], [5, 15]],
    ] as const;
    for (const [kind, params, inputs, pictures, counts] of cases) {
      const plain = await made(folder, kind, { params, inputs });
      const shown = await made(folder, kind, { params, inputs: { ...inputs, autoencoder } });
      if (kind !== inpaintKind) {
        for (const file of ["images.json", "images.safetensors"]) {
          assertEquals(await shown.read(file), await plain.read(file));
        }
      }
      for (const [i, picture] of pictures.entries()) {
        const { width } = decodePng(await shown.read(picture));
        const columns = { "inpainting.png": 12, "interpolation.png": 5 }[picture as string] ??
          (picture === "grid.png" ? Math.ceil(Math.sqrt(counts[i]!)) : 2);
        // Images of 8x8 are shown in squares of 32; two channels of latents would lie side by side.
        assertEquals(width, 2 + columns * 34, `${kind.kind}: ${picture}`);
      }
      const decoding = { params: { batchSize: 8 }, inputs: { samples: shown, autoencoder } };
      const decoded = await made(folder, decodeKind, decoding);
      const [grid, rounded] = [decodePng(await shown.read("grid.png")), decodePng(await decoded.read("grid.png"))];
      assertEquals(grid.data.length, rounded.data.length, kind.kind);
      // Pictures beside samples are truncated as these are, decoded images are rounded.
      const differences = new Set(rounded.data.map((level, i) => level - grid.data[i]!));
      assertEquals([...differences].sort(), [0, 1], kind.kind);

      const refused = said(await runStage(folder, kind, { params, inputs: { ...inputs, autoencoder: other } }));
      for (const one of [autoencoder, other]) {
        assertStringIncludes(refused, (await readAutoencoder(one, "ema", [])).encoder);
      }
      assertStringIncludes(
        said(await runStage(folder, kind, { params, inputs: { ...inputs, autoencoder: wide } })),
        "the autoencoder has other latents: got latents of 2 channels, wanted latents of 4 channels",
      );
    }
  });
});

Deno.test("a page whose network and decoder are too large together is refused, with the sizes of both", async () => {
  await withFolder(async (folder) => {
    const { train: images } = await smallImages(folder);
    const autoencoder = await made(folder, autoencoderKind, { params: TRAINING, inputs: { images } });
    const latents = await made(folder, encodeKind, { params: {}, inputs: { images, autoencoder } });
    const { checkpoint } = await trainedOn(folder, latents);
    // Files that are said to be so large that they alone would just fit.
    const held = checkpoint.files.filter(({ path }) => filesOf("ema").includes(path));
    const missing = (128 << 20) - held.reduce((sum, { size }) => sum + size, 0);
    const files = checkpoint.files.map((file) => ({
      ...file,
      size: file.size + (file.path === "ema.safetensors" ? missing : 0),
    }));
    const grown = { ...checkpoint, files };
    using set = await openImages(latents);
    const { config, build } = await readDecoder(autoencoder, set.encoder, []);
    const bytes = build(config.images).params.byteLength;
    const refused = await runStage(folder, demoKind, { params: {}, inputs: { checkpoint: grown, autoencoder } });
    assertEquals(
      said(refused),
      `the weights are too large for a page: got ${128 << 20} bytes of the network and ${bytes} of the decoder, ` +
        `wanted at most ${128 << 20}`,
    );
  });
});

Deno.test("a latent is known if all pixels are that its cell covers", () => {
  const size = { height: 4, width: 8, channels: 2 };
  const kept = (painted: readonly number[]) =>
    Uint8Array.from({ length: 64 }, (_, i) => painted.includes(Math.floor(i / 2)) ? 0 : 1);
  const cells = (
    painted: readonly number[],
  ) => [...knownCells(kept(painted), size, { height: 2, width: 4, channels: 1 })];
  assertEquals(cells([]), [1, 1, 1, 1, 1, 1, 1, 1]);
  // The last pixel of the first cell, and the first of the last cell.
  assertEquals(cells([9, 22]), [0, 1, 1, 1, 1, 1, 1, 0]);
  // Without another grid a mask stays as it is.
  assertEquals(knownCells(kept([5, 31]), size, size), kept([5, 31]));
});
