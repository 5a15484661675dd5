/** A rung's stages, best first, by their places among the trials that reached the rung; a lost one has no value. */
type Ranking = readonly { readonly candidate: number; readonly value: number | null }[];

/**
 * Returns the trials that are left after some rungs of successive halving (Jamieson and Talwalkar 2016), by number,
 * with the values that the last of these rungs gave them.
 * @param counts for each rung how many of it go on
 */
export function survivors(rankings: readonly Ranking[], counts: readonly number[]) {
  let trials: { readonly trial: number; readonly value: number | null }[] | undefined;
  for (const [rung, ranking] of rankings.entries()) {
    const best = ranking.slice(0, counts[rung]!);
    const own = best.map(({ candidate, value }) => ({ trial: trials?.[candidate]?.trial ?? candidate, value }));
    trials = own.sort((a, b) => a.trial - b.trial);
  }
  return trials ?? [];
}
