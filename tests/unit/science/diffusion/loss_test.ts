import { assert, assertEquals } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import "../../../../science/tensor/complete_tfjs.ts";
import { boundTermFloat64 } from "../../../../science/diffusion/likelihood_float64.ts";
import { trainingLossPerImage } from "../../../../science/diffusion/loss.ts";
import { lossFigures, type LossOptions, lossWeight, stepFigures } from "../../../../science/diffusion/loss_tables.ts";
import { OBJECTIVE_NAMES } from "../../../../science/diffusion/objectives.ts";
import { chainPath, timePoint } from "../../../../science/diffusion/path.ts";
import { makeBetas } from "../../../../science/diffusion/schedule/betas.ts";
import { makeTables } from "../../../../science/diffusion/schedule/tables.ts";
import { assertAllClose } from "./assert_close.ts";
import { PseudoRandom } from "./pseudo_random.ts";
import { qSampleFloat64 } from "../../../support/diffusion_references.ts";
import { objectiveNamed, targetAt } from "../../../support/objectives.ts";

await tf.setBackend("cpu");

const tables = makeTables(makeBetas({ name: "ho/linear", timesteps: 1000 }));
const path = chainPath(tables);
const EPS = objectiveNamed("eps");
const TIMES = [0, 1, 400, 999];
const PIXELS = 4;
const SHAPE: [number, number, number, number] = [TIMES.length, 2, 2, 1];
const random = new PseudoRandom(5);
const X0 = random.symmetric(TIMES.length * PIXELS).map((x) => Math.round(x * 127.5 - 0.5) / 127.5 + 1 / 255);
const NOISE = random.symmetric(TIMES.length * PIXELS, 1.7);
/** The errors of the network's outputs. */
const ERROR = random.symmetric(TIMES.length * PIXELS, 0.05);
const VARIANCE = random.symmetric(TIMES.length * PIXELS, 1.2);

const XT = X0.map((x0, i) => qSampleFloat64(x0, NOISE[i]!, { tables, t: TIMES[Math.floor(i / PIXELS)]! }));

/** Returns predictions that are off by `ERROR`. */
function predictions(options: LossOptions): Float32Array<ArrayBuffer> {
  return ERROR.map((error, i) => {
    const { x0, noise } = targetAt(options.objective, timePoint(path, TIMES[Math.floor(i / PIXELS)]!));
    return x0 * X0[i]! + noise * NOISE[i]! + error;
  });
}

function inputsOf(options: LossOptions) {
  const looked = Object.entries(stepFigures(options)).map(([name, figure]): [string, tf.Tensor] => {
    return [name, tf.tensor1d(TIMES.map((t) => figure(timePoint(path, t))))];
  });
  const images = { x0: tf.tensor4d(X0, SHAPE), noise: tf.tensor4d(NOISE, SHAPE), xt: tf.tensor4d(XT, SHAPE) };
  return { ...Object.fromEntries(looked), ...images };
}

function lossOf(options: LossOptions): Float32Array {
  const prediction = tf.tensor4d(predictions(options), SHAPE);
  const output = options.variance === "learned" ? tf.concat([prediction, tf.tensor4d(VARIANCE, SHAPE)], 3) : prediction;
  return trainingLossPerImage(output, inputsOf(options)).dataSync() as Float32Array;
}

const perImage = (term: (i: number, t: number) => number) =>
  TIMES.map((t, image) => {
    const own = Array.from({ length: PIXELS }, (_, k) => term(image * PIXELS + k, t));
    return own.reduce((sum, value) => sum + value, 0) / PIXELS;
  });

Deno.test("the loss is the mean square of what a prediction is off by, under every objective and weighting", () => {
  for (const name of OBJECTIVE_NAMES) {
    const objective = objectiveNamed(name);
    for (const weighting of ["simple", "vlb", "min-snr"] as const) {
      const options = { objective, path, weighting, variance: "fixedsmall" } as const;
      const wanted = perImage((i, t) => lossWeight(timePoint(path, t), options) * ERROR[i]! ** 2);
      // The target is rounded to float32 twice; the error, which is the difference, is a twentieth of it.
      assertAllClose(lossOf(options), wanted, { rel: 2e-5, label: `${name}, ${weighting}` });
    }
  }
});

/** Returns the term of the bound in float64, in bits per dimension. */
function boundTerms(options: LossOptions): number[] {
  const output = predictions(options);
  return perImage((i, t) => {
    const recovery = options.objective.recover!(timePoint(path, t)).x0;
    const fraction = (VARIANCE[i]! + 1) / 2;
    return boundTermFloat64({
      x0: X0[i]!,
      xt: XT[i]!,
      predictedX0: recovery.xt * XT[i]! + recovery.output * output[i]!,
      logVariance: fraction * Math.log(tables.betas[t]!) + (1 - fraction) * tables.posteriorLogVarianceClipped[t]!,
    }, { tables, t }) / Math.LN2;
  });
}

Deno.test("with a learned variance the loss is the bound, or the error and a thousandth of T times the bound", () => {
  for (const name of OBJECTIVE_NAMES) {
    const objective = objectiveNamed(name);
    const bound = boundTerms({ objective, path });
    // Means near 1 with deviations near 0.01 in float32.
    const label = { abs: 2e-3, rel: 1e-4, label: name };
    assertAllClose(lossOf({ objective, path, weighting: "vlb", variance: "learned" }), bound, label);
    const error = perImage((i) => ERROR[i]! ** 2);
    const hybrid = lossOf({ objective, path, variance: "learned" });
    assertAllClose(hybrid, error.map((value, image) => value + 0.001 * 1000 * bound[image]!), label);
  }
});

/** Returns gradients of the summed loss with respect to the prediction and to the learned variance. */
function gradients(options: LossOptions): [Float32Array, Float32Array] {
  const inputs = inputsOf(options);
  const loss = (prediction: tf.Tensor, variance: tf.Tensor) =>
    tf.sum(trainingLossPerImage(tf.concat([prediction, variance], 3), inputs)) as tf.Scalar;
  const [a, b] = tf.grads(loss)([tf.tensor4d(predictions(options), SHAPE), tf.tensor4d(VARIANCE, SHAPE)]);
  return [a!.dataSync() as Float32Array, b!.dataSync() as Float32Array];
}

Deno.test("the bound of L_hybrid moves the variance alone; as the whole loss it moves the mean too", () => {
  const [mean, variance] = gradients({ objective: EPS, path, variance: "learned" });
  // The gradient of L_simple, 2 error / pixels.
  assertAllClose(mean, ERROR.map((error) => 2 * error / PIXELS), { rel: 1e-4 });
  assert(variance.every((value) => Number.isFinite(value) && value !== 0));
  const [boundMean] = gradients({ objective: EPS, path, variance: "learned", weighting: "vlb" });
  assert(boundMean.every((value) => Number.isFinite(value) && value !== 0));
});

Deno.test("lossFigures() asks for nothing more when the loss is L_simple", () => {
  const names = (options: LossOptions) => Object.keys(lossFigures(options));
  assertEquals(names({ objective: EPS, path }), []);
  const v = { objective: objectiveNamed("v"), path, weighting: "vlb" } as const;
  assertEquals(names(v), ["targetX0", "targetNoise", "lossWeight"]);
  assertEquals(Object.keys(stepFigures({ objective: EPS, path })), ["sqrtAlphasCumprod", "sqrtOneMinusAlphasCumprod"]);
});
