import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Metrics } from "../../../artifacts/metrics.ts";
import { scoreKind } from "../../support/builtin_kinds.ts";
import { runStage } from "../../support/stage_context.ts";
import { smallImages, withFolder } from "./small_world.ts";

Deno.test("score is zero for equal sets, positive for others, and says what it is", async () => {
  await withFolder(async (folder) => {
    const { train, test } = await smallImages(folder, { limit: 140, testCount: 40 });
    const score = async (real: typeof train, fake: typeof train): Promise<Metrics> => {
      const { end, outputs } = await runStage(folder, scoreKind, { params: {}, inputs: { real, fake } });
      assertEquals(end, undefined);
      return JSON.parse(await outputs["metrics"]!.readText("metrics.json"));
    };
    const same = await score(train, train);
    assertEquals(same.metrics, [{ name: "FD-pixels", value: 0, count: 100 }]);
    assertEquals(same.features, { name: "pixels", dimension: 64 });

    const other = await score(train, test);
    const [metric] = other.metrics;
    assert(metric!.value > 0.1);
    assertEquals([other.images["real"]!.count, other.images["fake"]!.count, metric!.count], [100, 40, 40]);
    assertStringIncludes(metric!.note ?? "", "40 images for 64 dimensions");
  });
});

Deno.test("score fails when the images are not of one size", async () => {
  await withFolder(async (folder) => {
    const [small, large] = [await smallImages(folder), await smallImages(folder, { size: 16 })];
    const inputs = { real: large.test, fake: small.test };
    const { end } = await runStage(folder, scoreKind, { params: {}, inputs });
    assert(end?.status === "failed");
    assertEquals(end.message, "images of another size than the real ones: got 8x8x1, wanted 16x16x1");
  });
});
