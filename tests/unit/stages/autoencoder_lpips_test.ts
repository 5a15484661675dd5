import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { readLog } from "../../../artifacts/log.ts";
import * as tf from "@tensorflow/tfjs-core";
import { readImages, writeImages } from "../../../artifacts/images.ts";
import { defineAutoencoder } from "../../../science/diffusion/define.ts";
import { BYTES, type Normalizer } from "../../../science/diffusion/normalizer.ts";
import { folderArtifact, openInput, openOutput } from "../../../engine/process/context.ts";
import { autoencoderKind, classifierKind } from "../../support/builtin_kinds.ts";
import { runStage } from "../../support/stage_context.ts";
import { assertClose } from "../science/diffusion/assert_close.ts";
import { none, own, said } from "./own_definitions.ts";
import { smallImages, withFolder } from "./small_world.ts";

const LPIPS = fileURLToPath(new URL("../../golden/lpips/lpips.pth", import.meta.url));
const MODEL = { channels: 8, multipliers: [1, 2], blocks: 1, latentChannels: 2 };

Deno.test("an autoencoder learns with LPIPS from a file, and a file of other weights is named", async () => {
  await withFolder(async (folder) => {
    const { train: images } = await smallImages(folder, { size: 16 });
    const train = (lpips: string) => {
      const params = { model: MODEL, steps: 1, batchSize: 2, lpips };
      return runStage(folder, autoencoderKind, { params, inputs: { images } });
    };
    const { end, outputs } = await train(LPIPS);
    assertEquals(end, undefined);
    const [first] = await readLog(outputs["log"]!);
    assert((first!.terms as Record<string, number>)["perceptual"]! > 0);
    const other = join(folder, "other.pth");
    const bytes = await Deno.readFile(LPIPS);
    await Deno.writeFile(other, bytes.subarray(0, bytes.length / 2));
    assertStringIncludes(said(await train(other)), other);
    const narrow = fileURLToPath(new URL("../../golden/inception/narrow.pth", import.meta.url));
    assertStringIncludes(said(await train(narrow)), "weights of LPIPS, net.slice1.0.weight: got none");
  });
});

Deno.test("networks of perceptual terms see stored values by their own normaliser, whatever that of the images is", async () => {
  await withFolder(async (folder) => {
    const { train } = await smallImages(folder, { size: 16 });
    const { pixels, info, labels } = await readImages(train);
    const stored = async (normalizer: Normalizer) => {
      const place = await Deno.makeTempDir({ dir: folder });
      await writeImages(openOutput(place), { info: { ...info, normalizer }, pixels, labels });
      return openInput(folderArtifact(place, "images"));
    };
    // Both take 127.5 to 0, which all images are decoded to.
    const sets = [await stored(BYTES.normalizer), await stored({ how: "moments", scale: [40], shift: [3.1875] })];
    const grey = defineAutoencoder({
      params: none,
      build: ({ height, width, channels }) => ({
        parameters: [{ name: "black", shape: [], init: "zeros" }],
        latent: { height, width, channels },
        encode: ({ x }) => ({ mean: x }),
        decode: ({ weights, z }) => tf.mul(weights["black"]!, z),
      }),
    });
    const { outputs: { classifier } } = await runStage(folder, classifierKind, {
      params: { base: 4, steps: 1, batchSize: 2 },
      inputs: { images: sets[0]! },
    });
    for (const [lpips, features] of [[LPIPS, undefined], [undefined, classifier!]] as const) {
      const terms = [];
      for (const images of sets) {
        const { end, outputs } = await runStage(folder, autoencoderKind, {
          params: { model: { uses: "./grey.ts" }, steps: 1, batchSize: 2, loss: { over: "mean" }, lpips },
          inputs: { images, ...features && { features } },
          definitions: own({ "./grey.ts": grey }),
        });
        assertEquals(end, undefined);
        const [first] = await readLog(outputs["log"]!);
        terms.push((first!.terms as Record<string, number>)["perceptual"]!);
      }
      assert(terms[0]! > 0);
      // Float32 sums of a small network, of numbers that one more division rounded.
      assertClose(terms[1]!, terms[0]!, { rel: 1e-5 });
    }
  });
});

Deno.test("LPIPS is refused for images that VGG16 cannot take, and beside a classifier", () => {
  const params = autoencoderKind.params.parse({ steps: 1, lpips: "lpips.pth" });
  const check = (images: object, more: object = {}) => {
    const facts = { count: 1_000, height: 32, width: 32, channels: 3, dtype: "uint8", ...images };
    const { problems } = autoencoderKind.check!(params, { images: facts, ...more });
    return problems.map(({ message }) => message);
  };
  const PICTURES = "LPIPS takes pictures in grey or RGB";
  assertEquals(check({}), []);
  assertEquals(check({ channels: 1 }), []);
  assertEquals(check({ height: 8 }), [PICTURES]);
  assertEquals(check({ channels: 4 }), [PICTURES]);
  assertEquals(check({ dtype: "float32" }), ["the network of LPIPS was trained on bytes"]);
  assertEquals(check({}, { features: {} }), ["a loss has one perceptual term"]);
});

Deno.test("work with a perceptual term is as long as that of runs with the same network, and of no others", () => {
  const images = { count: 1_000, height: 32, width: 32, channels: 3, dtype: "uint8" };
  const work = (params: object, more: object = {}) =>
    autoencoderKind.check!(autoencoderKind.params.parse({ steps: 1, ...params }), { images, ...more } as never);
  const [plain, features, lpips] = [work({}), work({}, { features: {} }), work({ lpips: "lpips.pth" })];
  assertEquals(new Set([plain, features, lpips].map(({ workGflop }) => workGflop)).size, 1);
  assertEquals(new Set([plain, features, lpips].map(({ workShape }) => workShape!.length)).size, 3);
  assertEquals([plain, features, lpips].map(({ memoryBytes }) => memoryBytes !== undefined), [true, false, false]);
});
