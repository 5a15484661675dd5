/** Rounds as Python and numpy do, as reference code selects timesteps: Math.round would give others at x.5. */
export function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
