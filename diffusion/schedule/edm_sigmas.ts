export interface EdmOptions {
  /** Number of noise levels, an integer >= 1. */
  readonly steps: number;
  /** Default 0.002. */
  readonly sigmaMin?: number;
  /** Default 80. */
  readonly sigmaMax?: number;
  /** How much the levels crowd at the low end. Default 7. */
  readonly rho?: number;
}

/**
 * Noise levels of Karras et al. 2022 (eq. 5), falling from sigmaMax to sigmaMin: float64 [steps]. The final level of a
 * sampler, 0, is not among them.
 *
 * @throws RangeError when sigmaMin is not below sigmaMax, of which either may be the chain's own
 */
export function edmSigmas({ steps, sigmaMin = 0.002, sigmaMax = 80, rho = 7 }: EdmOptions): Float64Array {
  if (!(sigmaMin > 0 && sigmaMin < sigmaMax && sigmaMax < Infinity)) {
    throw new RangeError(`EDM sigmas: got ${sigmaMin} to ${sigmaMax}, wanted 0 < sigmaMin < sigmaMax < Infinity`);
  }
  const [top, bottom] = [sigmaMax ** (1 / rho), sigmaMin ** (1 / rho)];
  return Float64Array.from(
    { length: steps },
    (_, i) => steps === 1 ? sigmaMax : (top + i / (steps - 1) * (bottom - top)) ** rho,
  );
}
