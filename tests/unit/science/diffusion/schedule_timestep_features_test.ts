import { assertThrows } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import "../../../../science/tensor/complete_tfjs.ts";
import { timeEmbedding } from "../../../../science/diffusion/layers.ts";
import { assertAllClose, TWELVE_DIGITS } from "./assert_close.ts";
import { timestepFeaturesFloat64 } from "../../../support/diffusion_references.ts";

await tf.setBackend("cpu");

// get_timestep_embedding of hojonathanho/diffusion and timestep_embedding of openai/improved-diffusion for dimension 8
// and t = 10, in numpy float64.
const HO = [
  -0.544021110889,
  0.447670834719,
  0.0215426802723,
  0.000999999833333,
  -0.839071529076,
  0.894198425263,
  0.999767929535,
  0.9999995,
];
const OPENAI = [
  -0.839071529076,
  0.540302305868,
  0.995004165278,
  0.999950000417,
  -0.544021110889,
  0.841470984808,
  0.0998334166468,
  0.00999983333417,
];

Deno.test("timestepFeaturesFloat64() gives the reference features in both orders", () => {
  assertAllClose(timestepFeaturesFloat64(10, 8, "ho"), HO, { ...TWELVE_DIGITS, abs: 1e-12 });
  assertAllClose(timestepFeaturesFloat64(10, 8, "openai"), OPENAI, { ...TWELVE_DIGITS, abs: 1e-12 });
});

Deno.test("timeEmbedding() agrees with float64 in the order of Ho et al.", () => {
  for (const [t, dim] of [[10, 8], [999, 32], [1500, 128]] as const) {
    // The angle t has an error of half a unit in the last place of float32, up to 6e-5 at 1500.
    const got = timeEmbedding(tf.tensor1d([t], "int32"), dim).dataSync();
    assertAllClose(got, timestepFeaturesFloat64(t, dim, "ho"), { abs: 2e-4, label: `t ${t}` });
  }
});

Deno.test("timestepFeaturesFloat64() throws when the dimension is odd or too small", () => {
  for (const dim of [2, 7]) {
    assertThrows(() => timestepFeaturesFloat64(1, dim, "ho"), RangeError, `got dimension ${dim}`);
  }
});
