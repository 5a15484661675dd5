/**
 * Returns the noise levels of Karras et al. 2022 (eq. 5), falling from sigmaMax to sigmaMin: float64 [steps]. The final
 * level of a sampler, 0, is not included.
 *
 * @param levels.steps number of levels, an integer >= 1. @param levels.rho higher values put more levels at low noise
 * @throws RangeError when sigmaMin is not below sigmaMax, either of which may be the chain's own
 */
export function edmSigmas(
  { steps, sigmaMin, sigmaMax, rho }: Readonly<Record<"steps" | "sigmaMin" | "sigmaMax" | "rho", number>>,
): Float64Array {
  if (!(sigmaMin > 0 && sigmaMin < sigmaMax && sigmaMax < Infinity)) {
    throw new RangeError(`EDM sigmas: got ${sigmaMin} to ${sigmaMax}, wanted 0 < sigmaMin < sigmaMax < Infinity`);
  }
  const [top, bottom] = [sigmaMax ** (1 / rho), sigmaMin ** (1 / rho)];
  return Float64Array.from(
    { length: steps },
    (_, i) => steps === 1 ? sigmaMax : (top + i / (steps - 1) * (bottom - top)) ** rho,
  );
}
