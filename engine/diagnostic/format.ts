import type { Diagnostic, Span } from "./diagnostic.ts";
import { formatSpan, lineText, positionOf } from "./position.ts";
import { printable } from "./printable.ts";

/** How to set off parts of a message; the plain style leaves them as they are. */
export interface MessageStyle {
  readonly error: (text: string) => string;
  readonly warning: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly bold: (text: string) => string;
}

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
  const { severity, code, message, path, got, wanted, fix, origin } = diagnostic;
  const at = diagnostic.span === undefined ? {} : {
    file: diagnostic.span.source.name,
    ...positionOf(diagnostic.span.source, diagnostic.span.start),
  };
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
