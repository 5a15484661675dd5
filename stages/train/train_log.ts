import type { Bucket } from "../shared/timestep_buckets.ts";

/**
 * Whether a step is logged: all up to 1,000, every 10th up to 10,000, every 100th after that. It depends on the step
 * alone, so that the log of a longer run begins with the log of a shorter one.
 */
export function isLogged(step: number): boolean {
  if (step <= 1_000) return true;
  return step % (step <= 10_000 ? 10 : 100) === 0;
}

/** Mean loss of the images of one batch in each bucket of timesteps. @param t [B] @param losses [B] */
export function lossByBucket(
  { t, losses }: { readonly t: Int32Array; readonly losses: Float32Array },
  buckets: readonly Bucket[],
): (number | null)[] {
  return buckets.map(({ from, to }) => {
    const own = losses.filter((_, i) => t[i]! >= from && t[i]! < to);
    return own.length === 0 ? null : own.reduce((sum, loss) => sum + loss, 0) / own.length;
  });
}
