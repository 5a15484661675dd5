import { formatBytes as formatSize } from "@std/fmt";
import { InvalidArgumentError } from "commander";

export { countOf } from "../../std/count_of.ts";
export { formatDuration } from "../../std/duration.ts";
export { gatherNotes, short, shortList } from "../../std/shorten.ts";

/** Formats a size in the largest decimal unit that leaves at least one: `0 B`, `999 B`, `1.2 MB`. */
export function formatBytes(bytes: number): string {
  return formatSize(bytes, { maximumFractionDigits: 1 });
}

const SIZE = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?$/i;

/** Parses a size given as an option: `50G`, `500 MB`, `1.5TiB`, or plain bytes. */
export function parseBytes(text: string): number {
  const [, amount, unit = "", binary] = SIZE.exec(text.trim()) ?? [];
  if (amount === undefined || (binary !== "" && unit === "")) {
    throw new InvalidArgumentError(`"${text}" is not a size such as 50G, 500M or 20GiB.`);
  }
  return Math.round(
    Number(amount) * (binary === "" ? 1000 : 1024) ** ["", "k", "m", "g", "t"].indexOf(unit.toLowerCase()),
  );
}

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 } as const;

/** Parses an age given as an option: `90s`, `12h`, `30d`, `2w`, or `0`. */
export function parseAge(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([smhdw])$/.exec(text) ?? [];
  if (text === "0") return 0;
  if (amount === undefined) throw new InvalidArgumentError(`"${text}" is not a time such as 12h, 30d or 2w.`);
  return Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS];
}

function parseInteger(text: string, wanted: string, least: number, most: number = Number.MAX_SAFE_INTEGER): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new InvalidArgumentError(`"${text}" is not ${wanted}.`);
}

/** Parses a positive whole number given as an option. */
export const parseCount = (text: string): number => parseInteger(text, "a positive whole number", 1);

/** Parses a whole number, which may be zero. */
export const parseWhole = (text: string): number => parseInteger(text, "a whole number", 0);

export const parsePort = (text: string): number => parseInteger(text, "a port from 1 to 65535", 1, 65_535);
