/** Counts from the nearer end, as torch.linspace does: both ends are exact. One point is the start. */
export function linspace(start: number, end: number, count: number): Float64Array {
  const step = count > 1 ? (end - start) / (count - 1) : 0;
  return Float64Array.from(
    { length: count },
    (_, i) => i < count / 2 ? start + step * i : end - step * (count - 1 - i),
  );
}
