/** Rounds to four significant digits, as many as a reader compares. */
export function shortNumber(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/** Rounds the deviation to two significant digits, and the value to the same decimal place. */
export function withDeviation(value: number, deviation: number): readonly [value: string, spread: string] {
  const place = Math.floor(Math.log10(Number(deviation.toPrecision(2)))) - 1;
  if (!Number.isFinite(place) || place < -9) return [shortNumber(value), `± ${shortNumber(deviation)}`];
  const round = (one: number) => (Math.round(one / 10 ** place) * 10 ** place).toFixed(Math.max(0, -place));
  return [round(value), `± ${round(deviation)}`];
}

/** Returns the mean of at least one value, with the sample standard deviation (n - 1). */
export function meanOverSeeds(values: readonly number[]): { readonly value: number; readonly deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  // Rounding of equal values is no deviation.
  const isOne = values.every((value) => Math.abs(value - mean) <= 1e-12 * Math.abs(mean));
  if (isOne) return { value: values[0]!, deviation: 0 };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { value: mean, deviation: Math.sqrt(squares / (values.length - 1)) };
}
