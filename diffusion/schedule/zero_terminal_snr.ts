import type { DiffusionTables } from "./tables.ts";

/**
 * Shifts and scales sqrt(A) so that its last entry is 0 and its first is unchanged (Lin et al. 2023, algorithm 1): x_T
 * is then pure noise, as at the start of sampling. The last beta becomes 1. With T = 1, the first is the last: beta 1.
 *
 * After rescaling, the ratio r of neighbouring sqrt(A) is 1 - d, where d is the step of sqrt(A) divided by the distance
 * of the previous sqrt(A) from the last. From d, beta = 1 - r^2 = d (2 - d) keeps the digits that 1 - A_t / A_{t-1}
 * would cancel.
 *
 * @param betas float64 [T], each in (0, 1]
 * @returns float64 [T], each in (0, 1]
 */
export function rescaleZeroTerminalSnr(betas: Float64Array): Float64Array {
  const roots = new Float64Array(betas.length);
  betas.reduce((product, beta, t) => roots[t] = product * Math.sqrt(1 - beta), 1);
  const last = roots.at(-1)!;
  return betas.map((beta, t) => {
    if (t === betas.length - 1) return 1;
    if (t === 0) return beta;
    const before = roots[t - 1]!;
    // If float64 has no signal left, there is nothing to rescale, and the division would be 0 / 0.
    if (before === last) return beta;
    const step = before * beta / (1 + Math.sqrt(1 - beta));
    const d = step / (before - last);
    return d * (2 - d);
  });
}

/**
 * True if x_T holds nothing of x_0: the last beta is 1. Noise predicted there says nothing about x_0 (1 / A is
 * infinite), so that a network must predict x_0 or v.
 */
export function hasZeroTerminalSnr({ betas }: Pick<DiffusionTables, "betas">): boolean {
  return betas.at(-1) === 1;
}
