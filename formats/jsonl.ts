import { FormatError } from "./format_error.ts";

export interface ParsedJsonl {
  readonly records: readonly unknown[];
  /** The last line, when its writer was stopped in the middle of it; it is not among the records. */
  readonly torn: string | undefined;
}

/**
 * Parse JSON lines as `stringifyJsonl` writes them: one value a line, each line ended. Empty lines are skipped.
 *
 * A last line without its end was being written when the process died. It counts if it is a whole object or array; a
 * number would not show that its tail is missing.
 *
 * @throws FormatError with the line number when any other line is not JSON.
 */
export function parseJsonl(text: string): ParsedJsonl {
  const lines = text.split("\n");
  const last = lines.pop()!;
  const records = lines.flatMap((line, i) => line.trim() === "" ? [] : [parseLine(line, i + 1)]);
  if (last.trim() === "") return { records, torn: undefined };
  const whole = tryParse(last);
  const isWhole = typeof whole === "object" && whole !== null;
  return isWhole ? { records: [...records, whole], torn: undefined } : { records, torn: last };
}

/**
 * Records as JSON lines, each with its line end.
 *
 * @throws RangeError for NaN or an infinity, which JSON would turn into null, and for a record that JSON cannot write.
 */
export function stringifyJsonl(records: readonly unknown[]): string {
  return records.map((record, i) => {
    const line = JSON.stringify(record, (key, value) => {
      if (typeof value === "number" && !Number.isFinite(value)) {
        throw new RangeError(`JSON line ${i + 1}, ${JSON.stringify(key)}: got ${value}, wanted a finite number`);
      }
      return value;
    });
    if (line === undefined) throw new RangeError(`JSON line ${i + 1}: got ${typeof record}, wanted a JSON value`);
    return `${line}\n`;
  }).join("");
}

function parseLine(line: string, number: number): unknown {
  const value = tryParse(line);
  if (value !== undefined) return value;
  const start = line.length > 60 ? `${line.slice(0, 60)}...` : line;
  throw new FormatError(`JSON line ${number}`, { got: JSON.stringify(start), wanted: "a JSON value" });
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
