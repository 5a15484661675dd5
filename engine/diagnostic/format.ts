import { writeOut } from "../../std/escape.ts";
import type { Diagnostic, SourceText, Span } from "./diagnostic.ts";

/** Terminal codes for colours and other styles; without them the same text is left. */
// deno-lint-ignore no-control-regex
const ANSI_STYLES = /\u001b\[[\d;]*m/g;

/**
 * Makes a text from a stage, a file or a result safe to show: characters that would act on a terminal are written out,
 * as `\u202e`, which in JSON is the same character.
 *
 * @param newline replaces each line break, such as one with a prefix for the next line, or a space
 */
export function printable(text: string, newline = "\n"): string {
  // Millions of breaks that stay are not to be replaced one by one.
  return writeOut(
    text.replaceAll(ANSI_STYLES, "").replaceAll(newline === "\n" ? /\r\n?/g : /\r\n?|\n/g, () => newline),
  );
}

/** Functions that set off parts of a message; those of the plain style leave the parts as they are. */
type MessageStyle = Readonly<Record<"error" | "warning" | "dim" | "bold", (text: string) => string>>;

const same = (text: string) => text;
const PLAIN_STYLE: MessageStyle = { error: same, warning: same, dim: same, bold: same };

/** The most characters of a line that are shown. */
const FRAME = 100;
/** The characters that are shown before the place, if the place lies further on in a long line. */
const LEAD = 30;

// Approximates Unicode's tables of character widths (UAX 11) well enough to place a caret.
const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60]/u;
const NO_WIDTH = /[\p{Mn}\p{Me}\p{Cf}]/u;

/** Returns the number of terminal columns that a text takes. */
function columnsOf(text: string): number {
  return [...text].reduce((sum, one) => sum + (NO_WIDTH.test(one) ? 0 : WIDE.test(one) ? 2 : 1), 0);
}

/** Returns the line before the span, its own line, and carets under it. Long lines are cut to the part around it. */
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

/** Returns one diagnostic as text of several lines, without a final line break. */
export function formatDiagnostic(diagnostic: Diagnostic, style: MessageStyle = PLAIN_STYLE): string {
  const paint = diagnostic.severity === "error" ? style.error : style.warning;
  // A line break in the text of a file must not look like a line of this message.
  const say = (text: string) => printable(text, "\n    ");
  const where = diagnostic.span === undefined ? "" : `${style.bold(say(formatSpan(diagnostic.span)))}: `;
  const lines = [`${where}${paint(diagnostic.severity)}: ${say(cutText(diagnostic.message, MAX_MESSAGE))}`];
  if (diagnostic.span !== undefined) lines.push(...codeFrame(diagnostic.span, style));
  if (diagnostic.got !== undefined) lines.push(`  got:    ${say(diagnostic.got)}`);
  if (diagnostic.wanted !== undefined) lines.push(`  wanted: ${say(diagnostic.wanted)}`);
  for (const step of diagnostic.origin ?? []) lines.push(`  from:   ${say(step)}`);
  for (const { message, span } of diagnostic.related ?? []) lines.push(`  ${say(`${message}: ${formatSpan(span)}`)}`);
  if (diagnostic.fix !== undefined) lines.push(`  fix:    ${say(diagnostic.fix)}`);
  return lines.join("\n");
}

/** Returns a diagnostic as plain data for `--json`. */
export function diagnosticToJson(diagnostic: Diagnostic): Record<string, unknown> {
  const { severity, code, message, path, got, wanted, fix, origin, span } = diagnostic;
  const at = span && { file: span.source.name, ...positionOf(span.source, span.start) };
  const related = diagnostic.related?.map(({ message, span }) => ({ message, at: formatSpan(span) }));
  return { severity, code, message, ...at, path, got, wanted, fix, origin, related };
}

/** Names in a message may be as long as the file. */
const MAX_MESSAGE = 1_000;
const MAX_SHOWN = 200;

/** Returns a text as a message shows it; a long text is cut. */
export function cutText(text: string, most: number = MAX_SHOWN): string {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

/** Returns a value as it is shown after `got:`; a long value is cut. */
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

/** Returns the 1-based line and column of an offset in a text; the column counts UTF-16 units, as editors do. */
export function positionOf(source: SourceText, offset: number): { readonly line: number; readonly column: number } {
  const starts = startsOf(source);
  const line = starts.findLastIndex((start) => start <= offset);
  return { line: line + 1, column: offset - starts[line]! + 1 };
}

/** Returns the start of a span as `file:line:column`. */
export function formatSpan(span: Span): string {
  const { line, column } = positionOf(span.source, span.start);
  return `${span.source.name}:${line}:${column}`;
}

/** Returns the text of a 1-based line, without its line break. */
export function lineText(source: SourceText, line: number): string {
  const starts = startsOf(source);
  const start = starts[line - 1] ?? source.text.length;
  const end = starts[line] ?? source.text.length + 1;
  return source.text.slice(start, end - 1).replace(/\r$/, "");
}

/** Quotes a word for a shell if the word needs it. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-][\w@%+=:,./~-]*$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
