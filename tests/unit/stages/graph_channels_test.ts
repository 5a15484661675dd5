import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { decodeNpy } from "../../../science/formats/npy.ts";
import { featuresKind } from "../../support/builtin_kinds.ts";
import { runStage } from "../../support/stage_context.ts";
import { tinyGraph } from "../../support/tiny_graph.ts";
import { smallImages, withFolder } from "./small_world.ts";

Deno.test("a graph's channels get each its own mean and deviation, or all the same one; other numbers are refused", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "my-net.onnx");
    await Deno.writeFile(path, tinyGraph());
    const { test } = await smallImages(folder, { limit: 12, testCount: 2 });
    const preprocess = { size: 8, range: [0, 1] };
    const vectors = async (more: object) => {
      const params = { extractor: "onnx", path, preprocess: { ...preprocess, ...more } };
      const { end, outputs } = await runStage(folder, featuresKind, { params, inputs: { images: test } });
      assertEquals(end, undefined);
      return decodeNpy(await outputs["features"]!.read("features.npy")).data;
    };
    assertEquals(
      await vectors({ mean: [0.5], deviation: [0.25] }),
      await vectors({ mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25] }),
    );
    const problems = (channels: number, more: object) =>
      featuresKind.check!(
        featuresKind.params.parse({ extractor: "onnx", path, preprocess: { ...preprocess, ...more } }),
        { images: { height: 8, width: 8, channels, count: 9 } },
      ).problems.map(({ got }) => got);
    const numbers = (length: number) => Array<number>(length).fill(0.5);
    for (const channels of [1, 3, 4]) {
      for (const length of [1, 2, 3, 4]) {
        const isFit = length === 1 || length === Math.max(3, channels);
        for (const name of ["mean", "deviation"]) {
          const wanted = isFit ? [] : [`${length} numbers`];
          assertEquals(
            problems(channels, { [name]: numbers(length) }),
            wanted,
            `${channels} channels, ${length} ${name}`,
          );
        }
      }
    }
    assertEquals(problems(2, {}), ["2 channels"]);
  });
});
