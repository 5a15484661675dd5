// Numbers: openai/improved-diffusion, space_timesteps and respace.py, in numpy float64, 12 significant digits.
import { assertEquals } from "@std/assert";
import { makeBetas } from "../../../../science/diffusion/schedule/betas.ts";
import { spaceTimesteps } from "../../../../science/diffusion/schedule/respace.ts";
import { makeTables } from "../../../../science/diffusion/schedule/tables.ts";
import { respacedBetas } from "../../../support/affine/respaced_betas.ts";
import { assertAllClose, TWELVE_DIGITS } from "./assert_close.ts";

const betas = makeBetas({ name: "ho/linear", timesteps: 1000 });

Deno.test("spaceTimesteps() keeps the reference timesteps", () => {
  assertEquals(spaceTimesteps(1000, 10), [0, 111, 222, 333, 444, 555, 666, 777, 888, 999]);
  assertEquals(spaceTimesteps(1000, 50).slice(0, 6), [0, 20, 41, 61, 82, 102]);
  assertEquals(spaceTimesteps(7, 1), [0]);
});

Deno.test("spaceTimesteps() rounds a half to the even timestep", () => {
  // Python's round(499.5) is 500, and round(0.5) is 0.
  assertEquals(spaceTimesteps(1000, 3), [0, 500, 999]);
  assertEquals(spaceTimesteps(4, 3), [0, 2, 3]);
  assertEquals(spaceTimesteps(2, 2), [0, 1]);
});

Deno.test("respacedBetas() gives the reference betas when ten timesteps of the linear schedule are kept", () => {
  const wanted = [
    0.0001,
    0.126307637853,
    0.316843617792,
    0.46611906384,
    0.583005494427,
    0.674480639045,
    0.746029766979,
    0.801962591656,
    0.845663378409,
    0.879788230392,
  ];
  assertAllClose(respacedBetas(betas, spaceTimesteps(1000, 10)), wanted, TWELVE_DIGITS);
});

Deno.test("respacedBetas() keep the signal that the full chain has at the kept timesteps", () => {
  const kept = [3, 10, 500, 998];
  const full = makeTables(betas).alphasCumprod;
  const short = makeTables(respacedBetas(betas, kept)).alphasCumprod;
  assertAllClose(short, kept.map((t) => full[t]!), { rel: 1e-12 });
});
