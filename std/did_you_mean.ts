/**
 * The longest name that is compared: nobody types longer ones, and comparing texts takes the product of their lengths.
 */
const LONGEST = 100;

/**
 * Returns the number of typing slips between two texts: letters left out, added, mistyped, or swapped with the next one
 * (optimal string alignment; Boytsov 2011, "Indexing methods for approximate dictionary searching", section 2.2).
 */
function slipsBetween(a: string, b: string): number {
  let [before, last]: [readonly number[], readonly number[]] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const now = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = last[j - 1]! + Number(a[i - 1] !== b[j - 1]);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? before[j - 2]! + 1 : Infinity;
      now.push(Math.min(last[j]! + 1, now[j - 1]! + 1, changed, swapped));
    }
    [before, last] = [last, now];
  }
  return last[b.length]!;
}

/** Returns the one known name nearest to what was written, if it is near enough to be a slip of the keyboard. */
export function didYouMean(written: string, known: Iterable<string>): string | undefined {
  if (written.length > LONGEST) return undefined;
  // With two changes, the shortest names could be anything.
  const allowed = written.length <= 3 ? 1 : Math.max(2, Math.floor(written.length / 3));
  let best: string | undefined;
  let fewest = allowed + 1;
  for (const name of new Set(known)) {
    // Each letter by which one name is longer is a change.
    if (Math.abs(name.length - written.length) > fewest) continue;
    const slips = slipsBetween(written.toLowerCase(), name.toLowerCase());
    // If two names are equally near, neither is the more likely one.
    if (slips <= fewest) [best, fewest] = [slips === fewest ? undefined : name, slips];
  }
  return best;
}

/** Returns the `fix` of an error about an unknown name. */
export function suggestName(written: string, known: readonly string[]): string {
  // A name may be known and yet be refused, for what it is made of.
  const near = didYouMean(written, known.filter((name) => name !== written));
  if (near !== undefined) return `did you mean "${near}"?`;
  return known.length === 0 ? "remove it" : listNames(known);
}

/** Returns the `fix` of an error about a value that is not one of the known ones. */
export function listNames(known: readonly string[]): string {
  const names = known.slice(0, 12).map((name) => name.length > 60 ? `${name.slice(0, 60)}…` : name || '""');
  const shown = names.join(", ");
  return `use one of: ${shown}${known.length > 12 ? `, … (${known.length} in all)` : ""}`;
}
