import type { TrainParams } from "./params.ts";

/**
 * Linear warmup as in hojonathanho/diffusion, rate min(step / warmupSteps, 1); then constant, or down a line or half a
 * cosine (Loshchilov & Hutter 2017, eq. 5) from warmupSteps to `until`, and constant at the floor from there.
 *
 * @param step number of the update, from 1
 */
export function learningRateAt(
  step: number,
  { learningRate, warmupSteps, learningRateDecay: decay }: Pick<
    TrainParams,
    "learningRate" | "warmupSteps" | "learningRateDecay"
  >,
): number {
  if (step < warmupSteps) return learningRate * step / warmupSteps;
  if (decay === undefined) return learningRate;
  const { shape, until, floor } = decay;
  const way = step >= until ? 1 : (step - warmupSteps) / (until - warmupSteps);
  const left = shape === "linear" ? 1 - way : (1 + Math.cos(Math.PI * way)) / 2;
  return learningRate * (floor + (1 - floor) * left);
}
