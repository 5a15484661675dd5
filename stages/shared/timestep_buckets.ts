/** A range of timesteps, [from, to). */
export interface Bucket {
  readonly from: number;
  readonly to: number;
}

/** Divides the timesteps into `count` ranges, equal to within one. @param count at most `timesteps` */
export function makeBuckets(timesteps: number, count: number): Bucket[] {
  const edge = (index: number) => Math.floor(index * timesteps / count);
  return Array.from({ length: count }, (_, index) => ({ from: edge(index), to: edge(index + 1) }));
}

/**
 * Returns the mean loss of the images of one batch in each bucket of timesteps; a time between two indices belongs to
 * the upper one.
 *
 * @param t [B] @param losses [B]
 */
export function lossByBucket(
  { t, losses }: { readonly t: Int32Array | Float32Array; readonly losses: Float32Array },
  buckets: readonly Bucket[],
): (number | null)[] {
  return buckets.map(({ from, to }) => {
    const own = losses.filter((_, i) => Math.ceil(t[i]!) >= from && Math.ceil(t[i]!) < to);
    return own.length === 0 ? null : own.reduce((sum, loss) => sum + loss, 0) / own.length;
  });
}
