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
