import { assertEquals } from "@std/assert";
import { openImagesWriter } from "../../../artifacts/image_files.ts";
import { folderArtifact, openInput, openOutput } from "../../../engine/process/context.ts";
import { randomStream } from "../../../science/tensor/mod.ts";
import { featuresKind, scoreKind } from "../../support/builtin_kinds.ts";
import { runStage } from "../../support/stage_context.ts";
import { withFolder } from "../../unit/stages/small_world.ts";

Deno.test("a set whose pixel features are not kept in memory has the scores of one whose features are stored", async () => {
  await withFolder(async (folder) => {
    // 8x8x3 pixels are 192 features: 87,382 images have one set more than 16 Mi features.
    const [count, part] = [87_400, 8_740];
    const makeSet = async (name: string, shift: number) => {
      const place = `${folder}/${name}`;
      Deno.mkdirSync(place);
      const info = { count, height: 8, width: 8, channels: 3, classes: null, source: {} };
      using writer = openImagesWriter(openOutput(place), info);
      const noise = randomStream({ seed: 1, stream: name });
      for (let i = 0; i < count / part; i++) {
        await writer.add(Uint8Array.from(noise.uniform(i, part * 192), (u) => shift + 200 * u));
      }
      await writer.finish();
      return openInput(folderArtifact(place, "images"));
    };
    const images = { real: await makeSet("real", 0), fake: await makeSet("fake", 30) };
    const featuresOf = async (set: typeof images.real) => {
      const { outputs } = await runStage(folder, featuresKind, {
        params: { extractor: "pixels" },
        inputs: { images: set },
      });
      return outputs["features"]!;
    };
    const stored = { real: await featuresOf(images.real), fake: await featuresOf(images.fake) };
    const score = async (inputs: typeof images) => {
      const params = { kid: { subsets: 3, size: 100 }, manifold: { neighbours: 3, limit: 500 } };
      const { end, outputs } = await runStage(folder, scoreKind, { params, inputs });
      assertEquals(end, undefined);
      return JSON.parse(await outputs["metrics"]!.readText("metrics.json")).metrics;
    };
    assertEquals(await score(images), await score(stored));
  });
});
