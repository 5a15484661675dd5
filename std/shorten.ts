/** Shortens a digest or key to as many characters as distinguish it from others. */
export function short(digest: string): string {
  return digest.slice(0, 12);
}

/** Returns the first of many names, and how many there are: `a, b, … (9 in all)`. */
export function shortList(names: readonly string[], most: number = 8): string {
  return names.slice(0, most).join(", ") + (names.length > most ? `, … (${names.length} in all)` : "");
}

/** The stages that a line names which is about many. */
const MOST_NAMED = 3;

/**
 * Returns a line for each note on a stage: `"train": too short`. Notes that differ only in numbers are one line, with
 * the first of them and the number of stages: a matrix may have thousands.
 */
export function gatherNotes(notes: readonly (readonly [stage: string, note: string])[]): string[] {
  const alike = Map.groupBy(notes, ([, note]) => note.replaceAll(/\d[\d.e+-]*/g, "0"));
  return [...alike.values()].map((own) => {
    const names = shortList(own.map(([stage]) => `"${stage}"`), MOST_NAMED);
    return [names, own[0]![1]].filter(Boolean).join(": ");
  });
}
