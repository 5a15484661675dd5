/** Writes a number with its noun: `1 result`, `3 results`, `2,000 results`. */
export function countOf(count: number, noun: string): string {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}
