import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { featuresKind } from "../../support/builtin_kinds.ts";
import { runStage } from "../../support/stage_context.ts";
import { tinyGraph } from "../../support/tiny_graph.ts";
import { smallImages, withFolder } from "./small_world.ts";

Deno.test("a graph that gives more numbers than any extractor does is refused before it sees the images", async () => {
  await withFolder(async (folder) => {
    const { test } = await smallImages(folder);
    const path = join(folder, "wide.onnx");
    for (const [tiles, output, logits] of [[21_845, "wide"], [21_846, "wide"], [21_846, "pooled", "wide"]] as const) {
      await Deno.writeFile(path, tinyGraph({}, tiles));
      const params = { extractor: "onnx", path, preprocess: { size: 8 }, output, ...logits && { logits } };
      const ended = runStage(folder, featuresKind, { params, inputs: { images: test } });
      const said = JSON.stringify((await ended).end) ?? "";
      assertEquals(said.includes("vectors of 65538 numbers: at most 65536 are read"), tiles === 21_846, said);
    }
  });
});
