/**
 * Linear warmup as in hojonathanho/diffusion: rate min(step / warmupSteps, 1), then constant.
 *
 * @param step number of the update, from 1
 */
export function learningRateAt(step: number, options: { readonly learningRate: number; readonly warmupSteps: number }) {
  const { learningRate, warmupSteps } = options;
  return step < warmupSteps ? learningRate * step / warmupSteps : learningRate;
}
