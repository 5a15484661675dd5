import { InvalidArgumentError } from "commander";

/** A positive whole number given as an option. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new InvalidArgumentError(`"${text}" is not a positive whole number.`);
  }
  return count;
}

/** A whole number, also none. */
export function parseWhole(text: string): number {
  return text === "0" ? 0 : parseCount(text);
}

/** `1 result`, `3 results` */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
