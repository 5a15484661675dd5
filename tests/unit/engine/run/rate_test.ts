import { assertEquals } from "@std/assert";
import { RateMeter } from "../../../../engine/run/progress_reporting.ts";

Deno.test("RateMeter counts from the first report on, in units and in images", () => {
  let now = 5_000;
  const meter = new RateMeter(() => now);
  assertEquals(meter.perSecond(), {});
  meter.note({ done: 1, total: 10, unit: "step", images: 32 });
  assertEquals(meter.perSecond(), {});
  now = 7_000;
  meter.note({ done: 6, total: 10, unit: "step", images: 32 });
  assertEquals(meter.perSecond(), { step: 2.5, image: 80 });
});

Deno.test("RateMeter starts anew when a stage turns to something else", () => {
  let now = 0;
  const meter = new RateMeter(() => now);
  meter.note({ done: 50, total: 100, unit: "byte" });
  now = 1_000;
  meter.note({ done: 0, total: 4, unit: "image" });
  now = 3_000;
  meter.note({ done: 4, total: 4, unit: "image" });
  assertEquals(meter.perSecond(), { image: 2 });
});

Deno.test("RateMeter starts anew when a stage counts from the start again", () => {
  let now = 0;
  const meter = new RateMeter(() => now);
  meter.note({ done: 10, total: 100, unit: "percent" });
  now = 1_000;
  meter.note({ done: 90, total: 100, unit: "percent" });
  now = 2_000;
  meter.note({ done: 0, total: 100, unit: "percent" });
  now = 4_000;
  meter.note({ done: 50, total: 100, unit: "percent" });
  assertEquals(meter.perSecond(), { percent: 25 });
});

Deno.test("RateMeter tells what of a stage's time does not grow with its work, where its reports do", () => {
  let now = 5_000;
  const meter = new RateMeter(() => now);
  assertEquals(meter.overheadMs(9_000, 0), undefined);
  meter.note({ done: 31, total: 40, unit: "step" });
  assertEquals(meter.overheadMs(9_000, 30), undefined);
  now = 6_600;
  meter.note({ done: 39, total: 40, unit: "step" });
  // 8 steps in 1600 ms: the 9 since step 30 took 1800 of 9000 ms.
  assertEquals(meter.overheadMs(9_000, 30), 7_200);
  assertEquals(meter.overheadMs(1_000, 30), 0);
  meter.note({ done: 0, total: 4, unit: "image" });
  meter.note({ done: 4, total: 4, unit: "image" });
  assertEquals(meter.overheadMs(9_000, 30), undefined);
});
