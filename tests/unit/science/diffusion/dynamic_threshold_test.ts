import { dynamicThreshold } from "../../../../science/diffusion/samplers/dynamic_threshold.ts";
import { assertAllClose } from "./assert_close.ts";

Deno.test("dynamicThreshold() brings the quantile of |x0| to 1, and clips what is above", () => {
  const x0 = Float32Array.of(-4, 3, 2, -1, 0.5);
  dynamicThreshold(x0, 0.75);
  assertAllClose(x0, [-1, 1, 2 / 3, -1 / 3, 0.5 / 3], { abs: 1e-7 });
});

Deno.test("dynamicThreshold() is clipping to [-1, 1] when the quantile is within", () => {
  const x0 = Float32Array.of(-4, 0.75, 0.5, -0.25);
  dynamicThreshold(x0, 0.5);
  assertAllClose(x0, [-1, 0.75, 0.5, -0.25], { abs: 0 });
});
