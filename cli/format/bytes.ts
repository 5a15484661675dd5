import { InvalidArgumentError } from "commander";

const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** A size in the largest decimal unit that leaves at least one: `0 B`, `999 B`, `1.2 MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 999.5 && unit < UNITS.length - 1; unit++) value /= 1000;
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

const SIZE = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?$/i;

/** A size given as an option: `50G`, `500 MB`, `1.5TiB`, or plain bytes. */
export function parseBytes(text: string): number {
  const [, amount, unit = "", binary] = SIZE.exec(text.trim()) ?? [];
  if (amount === undefined || (binary !== "" && unit === "")) {
    throw new InvalidArgumentError(`"${text}" is not a size such as 50G, 500M or 20GiB.`);
  }
  return Math.round(
    Number(amount) * (binary === "" ? 1000 : 1024) ** ["", "k", "m", "g", "t"].indexOf(unit.toLowerCase()),
  );
}
