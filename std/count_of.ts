/** Writes a number with its noun: `1 result`, `3 results`. */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
