import { testStage } from "noiseline/testing";
import { deepEqual } from "node:assert/strict";
import stage from "./new_stage.ts";

const info = { count: 3, height: 2, width: 2, channels: 1 };

Deno.test("the stage counts the values of its images", async () => {
  const { end, outputs } = await testStage(stage, {
    params: { scale: 10 },
    inputs: { images: { "images.json": JSON.stringify(info) } },
  });
  deepEqual(end, undefined);
  deepEqual(JSON.parse(outputs.out.text("counts.json")), {
    count: 3,
    values: 120,
  });
});

Deno.test("the stage says so when there are no images", async () => {
  const none = JSON.stringify({ ...info, count: 0 });
  const { end } = await testStage(stage, {
    inputs: { images: { "images.json": none } },
  });
  deepEqual(end, { status: "failed", message: "there are no images" });
});
