import { assertEquals, assertThrows } from "@std/assert";
import { peakSignalToNoise, structuralSimilarity } from "../../../../science/metrics/similarity.ts";
import oracle from "../../../golden/metrics/similarity.json" with { type: "json" };
import { assertAllClose } from "../diffusion/assert_close.ts";
import { lcgValues } from "./lcg.ts";

/** Both sides compute in float64; sums of a window lose a few digits where variances are small differences. */
const FLOAT64 = { rel: 1e-11 };

const rounded = (value: number) => {
  const floor = Math.floor(value);
  // As numpy: halves to even.
  return value - floor === 0.5 ? floor + floor % 2 : Math.round(value);
};

for (const { shape, range, psnr, ssim } of oracle.cases) {
  Deno.test(`PSNR and SSIM of ${shape.join("x")} are scikit-image's with the window of Wang et al.`, () => {
    const [count, height, width, channels] = shape as [number, number, number, number];
    const size = count * height * width * channels;
    const a = lcgValues(1, size).map((value) => rounded((value + 0.5) * range));
    const noise = lcgValues(2, size);
    const b = a.map((value, i) => Math.min(range, Math.max(0, rounded(value + 0.2 * range * noise[i]!))));
    assertAllClose(peakSignalToNoise(a, b, count, range), psnr, FLOAT64);
    assertAllClose(structuralSimilarity(a, b, { count, height, width, channels }, range), ssim, FLOAT64);
    assertAllClose(structuralSimilarity(a, a, { count, height, width, channels }, range), psnr.map(() => 1), FLOAT64);
    assertEquals([...peakSignalToNoise(a, a, count, range)], psnr.map(() => Infinity));
  });
}

Deno.test("structuralSimilarity() needs images that hold the window", () => {
  const images = new Uint8Array(100);
  const size = { count: 1, height: 10, width: 10, channels: 1 };
  assertThrows(() => structuralSimilarity(images, images, size, 255), RangeError, "wanted sides >= 11");
});
