import { levenshteinDistance } from "@std/text";

/** Nobody types longer names, and comparing texts takes the product of their lengths. */
const LONGEST = 100;

/** The known name nearest to what was written, if it is near enough to be a slip of the keyboard. */
export function didYouMean(written: string, known: Iterable<string>): string | undefined {
  if (written.length > LONGEST) return undefined;
  // Two swapped letters count as two changes, so short words are allowed two; the shortest could then be anything.
  const allowed = written.length <= 3 ? 1 : Math.max(2, Math.floor(written.length / 3));
  let best: string | undefined;
  let bestDistance = allowed + 1;
  for (const name of known) {
    // Each letter that one has more is a change.
    if (Math.abs(name.length - written.length) >= bestDistance) continue;
    const distance = levenshteinDistance(written.toLowerCase(), name.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return best;
}

/** The `fix` of an error about an unknown name. */
export function suggestName(written: string, known: readonly string[]): string {
  const near = didYouMean(written, known);
  if (near !== undefined) return `did you mean "${near}"?`;
  return known.length === 0 ? "remove it" : listNames(known);
}

/** The `fix` of an error about a value that is none of a few. */
export function listNames(known: readonly string[]): string {
  const shown = known.slice(0, 12).join(", ");
  return `use one of: ${shown}${known.length > 12 ? `, … (${known.length} in all)` : ""}`;
}
