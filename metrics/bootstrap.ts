export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * Basic bootstrap interval (Davison & Hinkley 1997, section 5.2): how far replicates of resampled sets lie from the value
 * tells how far the value lies from the truth. Resampled sets hold repetitions, which biases distances upwards; mirroring
 * the replicates at the value takes that bias out once.
 *
 * @param replicates values of sets that were drawn with replacement
 * @param options.level share of the intervals that hold the truth; default 0.95
 */
export function bootstrapInterval(
  value: number,
  replicates: readonly number[],
  { level = 0.95 }: { readonly level?: number } = {},
): Interval {
  const sorted = [...replicates].sort((a, b) => a - b);
  const quantile = (share: number) => {
    const at = share * (sorted.length - 1);
    const [below, above] = [Math.floor(at), Math.ceil(at)];
    return sorted[below]! + (at - below) * (sorted[above]! - sorted[below]!);
  };
  const tail = (1 - level) / 2;
  return { low: 2 * value - quantile(1 - tail), high: 2 * value - quantile(tail) };
}
