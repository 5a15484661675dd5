/**
 * Returns the trials that are left after some rungs of successive halving (Jamieson and Talwalkar 2016), by number.
 * @param rankings for each rung its stages, best first, by their places among the trials that reached the rung
 * @param counts for each rung how many of it go on
 */
export function survivors(rankings: readonly (readonly number[])[], counts: readonly number[]): number[] {
  let trials: readonly number[] | undefined;
  for (const [rung, ranking] of rankings.entries()) {
    const best = ranking.slice(0, counts[rung]!);
    trials = (trials === undefined ? best : best.map((place) => trials![place]!)).toSorted((a, b) => a - b);
  }
  return [...trials ?? []];
}
