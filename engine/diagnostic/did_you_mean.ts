import { levenshteinDistance } from "@std/text";

/** The known name nearest to what was written, if it is near enough to be a slip of the keyboard. */
export function didYouMean(written: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const name of known) {
    const distance = levenshteinDistance(written.toLowerCase(), name.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  // Two swapped letters count as two changes, so short words are allowed two; the shortest could then be anything.
  const allowed = written.length <= 3 ? 1 : Math.max(2, Math.floor(written.length / 3));
  return bestDistance <= allowed ? best : undefined;
}

/** The `fix` of an error about an unknown name. */
export function suggestName(written: string, known: readonly string[]): string {
  const near = didYouMean(written, known);
  if (near !== undefined) return `did you mean "${near}"?`;
  if (known.length === 0) return "remove it";
  const shown = known.slice(0, 12).join(", ");
  return `use one of: ${shown}${known.length > 12 ? `, … (${known.length} in all)` : ""}`;
}
