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

const MAX_FRAME_COLUMNS = 100;

/** The line before, the line itself and a caret run under the span. */
function codeFrame(span: Span, style: MessageStyle): string[] {
  const start = positionOf(span.source, span.start);
  const end = positionOf(span.source, Math.max(span.end, span.start + 1));
  const width = String(start.line).length;
  const show = (line: number) => {
    const text = lineText(span.source, line).replaceAll("\t", " ");
    const cut = text.length > MAX_FRAME_COLUMNS ? `${text.slice(0, MAX_FRAME_COLUMNS)}…` : text;
    return `  ${style.dim(`${String(line).padStart(width)} |`)} ${cut}`;
  };
  const lines = start.line > 1 ? [show(start.line - 1)] : [];
  lines.push(show(start.line));
  const own = lineText(span.source, start.line);
  const stop = end.line === start.line ? end.column - 1 : own.length;
  const carets = Math.min(Math.max(1, stop - start.column + 1), MAX_FRAME_COLUMNS);
  if (start.column <= MAX_FRAME_COLUMNS) {
    lines.push(
      `  ${style.dim(`${" ".repeat(width)} |`)} ${" ".repeat(start.column - 1)}${style.error("^".repeat(carets))}`,
    );
  }
  return lines;
}

/** One diagnostic as text of several lines, without a final line break. */
export function formatDiagnostic(diagnostic: Diagnostic, style: MessageStyle = PLAIN_STYLE): string {
  const paint = diagnostic.severity === "error" ? style.error : style.warning;
  // A line break in what a file says must not look like a line of this message.
  const say = (text: string) => printable(text, "\n    ");
  const where = diagnostic.span === undefined ? "" : `${style.bold(say(formatSpan(diagnostic.span)))}: `;
  const lines = [`${where}${paint(diagnostic.severity)}: ${say(diagnostic.message)}`];
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

/** A value as it is shown after `got:`; long values are cut. */
export function showValue(value: unknown): string {
  const text = typeof value === "number" || value === undefined ? String(value) : JSON.stringify(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
