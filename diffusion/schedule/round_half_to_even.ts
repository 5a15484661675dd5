/** Python's and numpy's rounding, which reference codes choose timesteps by: Math.round would take others at x.5. */
export function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
