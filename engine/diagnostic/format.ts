import { writeOut } from "../../std/escape.ts";
import type { Diagnostic, SourceText, Span } from "./diagnostic.ts";

/** Colours and other looks of text: what is left without them is the same text. */
// deno-lint-ignore no-control-regex
const LOOKS = /\u001b\[[\d;]*m/g;

/**
 * A text from a stage, a file or a result as it may be shown: what would act on a terminal is written out, as `\u202e`,
 * which in JSON is the same character.
 *
 * @param newline what a line break becomes, such as one with a prefix for the next line, or a space
 */
export function printable(text: string, newline = "\n"): string {
  return writeOut(text.replaceAll(LOOKS, "").replaceAll(/\r\n|[\r\n]/g, () => newline));
}

/** How to set off parts of a message; the plain style leaves them as they are. */
export type MessageStyle = Readonly<Record<"error" | "warning" | "dim" | "bold", (text: string) => string>>;

const same = (text: string) => text;
export const PLAIN_STYLE: MessageStyle = { error: same, warning: same, dim: same, bold: same };

/** So much of a line is shown, */
const FRAME = 100;
/** with so much before the place, where that lies further on. */
const LEAD = 30;

// Near enough to Unicode's tables (UAX 11) for a caret.
const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60]/u;
const NO_WIDTH = /[\p{Mn}\p{Me}\p{Cf}]/u;

/** How many columns of a terminal a text takes. */
function columnsOf(text: string): number {
  return [...text].reduce((sum, one) => sum + (NO_WIDTH.test(one) ? 0 : WIDE.test(one) ? 2 : 1), 0);
}

/** The line before, the line itself and a caret run under the span. Of long lines the part around the span. */
function codeFrame(span: Span, style: MessageStyle): string[] {
  const start = positionOf(span.source, span.start);
  const end = positionOf(span.source, Math.max(span.end, span.start + 1));
  const width = String(start.line).length;
  const own = lineText(span.source, start.line);
  const at = start.column - 1;
  const stop = end.line === start.line ? end.column - 1 : own.length;
  const from = Math.min(stop, at + FRAME / 2) <= FRAME ? 0 : at - LEAD;
  const to = from + FRAME;
  const left = from > 0 ? "…" : "";
  const shown = (text: string, first: number, last: number) =>
    printable(text.slice(first, last).replaceAll("\t", " "), " ").toWellFormed();
  const frame = (label: string, text: string) => `  ${style.dim(`${label.padStart(width)} |`)} ${text}`;
  const show = (line: number) => {
    const text = lineText(span.source, line);
    return frame(String(line), `${left}${shown(text, from, to)}${text.length > to ? "…" : ""}`);
  };
  const before = columnsOf(left + shown(own, from, at));
  const carets = Math.max(1, columnsOf(shown(own, at, Math.min(stop, to))));
  return [
    ...(start.line > 1 ? [show(start.line - 1)] : []),
    show(start.line),
    frame("", `${" ".repeat(before)}${style.error("^".repeat(carets))}`),
  ];
}

/** One diagnostic as text of several lines, without a final line break. */
export function formatDiagnostic(diagnostic: Diagnostic, style: MessageStyle = PLAIN_STYLE): string {
  const paint = diagnostic.severity === "error" ? style.error : style.warning;
  // A line break in what a file says must not look like a line of this message.
  const say = (text: string) => printable(text, "\n    ");
  const where = diagnostic.span === undefined ? "" : `${style.bold(say(formatSpan(diagnostic.span)))}: `;
  const { message } = diagnostic;
  const told = message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}…` : message;
  const lines = [`${where}${paint(diagnostic.severity)}: ${say(told)}`];
  if (diagnostic.span !== undefined) lines.push(...codeFrame(diagnostic.span, style));
  if (diagnostic.got !== undefined) lines.push(`  got:    ${say(diagnostic.got)}`);
  if (diagnostic.wanted !== undefined) lines.push(`  wanted: ${say(diagnostic.wanted)}`);
  for (const step of diagnostic.origin ?? []) lines.push(`  from:   ${say(step)}`);
  for (const { message, span } of diagnostic.related ?? []) lines.push(`  ${say(`${message}: ${formatSpan(span)}`)}`);
  if (diagnostic.fix !== undefined) lines.push(`  fix:    ${say(diagnostic.fix)}`);
  return lines.join("\n");
}

/** A diagnostic as plain data for `--json`. */
export function diagnosticToJson(diagnostic: Diagnostic): Record<string, unknown> {
  const { severity, code, message, path, got, wanted, fix, origin, span } = diagnostic;
  const at = span && { file: span.source.name, ...positionOf(span.source, span.start) };
  const related = diagnostic.related?.map(({ message, span }) => ({ message, at: formatSpan(span) }));
  return { severity, code, message, ...at, path, got, wanted, fix, origin, related };
}

/** Names in it may be as long as the file. */
const MAX_MESSAGE = 1_000;
const MAX_SHOWN = 200;

/** A text as it is shown in a message; what is long is cut. */
export function cutText(text: string): string {
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

/** A value as it is shown after `got:`; long values are cut. */
export function showValue(value: unknown): string {
  return cutText(typeof value === "number" || value === undefined ? String(value) : JSON.stringify(value));
}

const lineStarts = new WeakMap<SourceText, number[]>();

function startsOf(source: SourceText): number[] {
  return lineStarts.getOrInsertComputed(
    source,
    ({ text }) => [0, ...text.matchAll(/\n/g).map(({ index }) => index + 1)],
  );
}

/** Where an offset lies in its text: 1-based line and column, which counts UTF-16 units, as editors do. */
export function positionOf(source: SourceText, offset: number): { readonly line: number; readonly column: number } {
  const starts = startsOf(source);
  const line = starts.findLastIndex((start) => start <= offset);
  return { line: line + 1, column: offset - starts[line]! + 1 };
}

/** `file:line:column` of the start of a span. */
export function formatSpan(span: Span): string {
  const { line, column } = positionOf(span.source, span.start);
  return `${span.source.name}:${line}:${column}`;
}

/** The text of a 1-based line, without its line break. */
export function lineText(source: SourceText, line: number): string {
  const starts = startsOf(source);
  const start = starts[line - 1] ?? source.text.length;
  const end = starts[line] ?? source.text.length + 1;
  return source.text.slice(start, end - 1).replace(/\r$/, "");
}

/** Quote a word for a shell where it needs it. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./~-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
