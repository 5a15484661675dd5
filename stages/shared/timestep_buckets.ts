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
