import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { readImages, writeImages } from "../../../artifacts/images.ts";
import type { InputArtifact } from "../../../engine/contract/stage.ts";
import { folderArtifact, openInput, openOutput } from "../../../engine/process/context.ts";
import { classifierKind, featuresKind } from "../../support/builtin_kinds.ts";
import { runStage } from "../../support/stage_context.ts";
import { smallImages, withFolder } from "./small_world.ts";

/** Returns 8-bit images with each level k as 257 k of 16 bits, which networks see as the same number. */
async function deepened(images: InputArtifact, folder: string): Promise<InputArtifact> {
  const { info, pixels, labels } = await readImages(images);
  Deno.mkdirSync(folder);
  await writeImages(openOutput(folder), { info, pixels: Uint16Array.from(pixels, (level) => 257 * level), labels });
  return openInput(folderArtifact(folder, "images"));
}

Deno.test("a classifier of 16-bit images is the one of the same images at 8 bits, and takes its own alone", async () => {
  await withFolder(async (folder) => {
    const { train, test } = await smallImages(folder, { limit: 60, testCount: 20 });
    const [deepTrain, deepTest] = [await deepened(train, join(folder, "a")), await deepened(test, join(folder, "b"))];
    const params = { base: 4, steps: 3, batchSize: 16 };
    const [eight, sixteen] = [
      (await runStage(folder, classifierKind, { params, inputs: { images: train } })).outputs["classifier"]!,
      (await runStage(folder, classifierKind, { params, inputs: { images: deepTrain } })).outputs["classifier"]!,
    ];
    assertEquals(await sixteen.read("weights.safetensors"), await eight.read("weights.safetensors"));
    const over = async (images: InputArtifact, classifier: InputArtifact) => {
      const inputs = { images, classifier };
      const { end, outputs } = await runStage(folder, featuresKind, { params: { extractor: "classifier" }, inputs });
      return end === undefined ? await outputs["features"]!.read("features.npy") : JSON.stringify(end);
    };
    assertEquals(await over(deepTest, sixteen), await over(test, eight));
    assertStringIncludes(`${await over(deepTest, eight)}`, "got 8x8x1 of uint16, wanted 8x8x1");
  });
});
