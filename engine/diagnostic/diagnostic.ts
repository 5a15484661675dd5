/** A text that diagnostics point into. */
export interface SourceText {
  /** As the user named it, for messages. */
  readonly name: string;
  readonly text: string;
}

/** A stretch of a source text, in UTF-16 offsets. */
export interface Span extends Readonly<Record<"start" | "end", number>> {
  readonly source: SourceText;
}

export type DiagnosticCode =
  | "file-unreadable"
  | "file-too-large"
  | "file-not-text"
  | "yaml-syntax"
  | "merge-conflict"
  | "duplicate-key"
  | "unknown-key"
  | "missing-key"
  | "invalid-value"
  | "unknown-kind"
  | "kind-broken"
  | "unknown-stage"
  | "unknown-port"
  | "ambiguous-port"
  | "missing-input"
  | "wrong-artifact"
  | "bad-reference"
  | "cycle"
  | "override"
  | "interpolation"
  | "external"
  | "device"
  /** A custom stage asks for a right that the user has not granted. */
  | "not-granted"
  /** The machine failed, as with a full disk; nothing is wrong with the input. */
  | "machine"
  | "cache"
  | "check";

/** One error or warning: what, where, got, wanted, fix. Expected failures are returned as lists of these. */
export interface Diagnostic extends Partial<Readonly<Record<"got" | "wanted" | "fix", string | undefined>>> {
  readonly severity: "error" | "warning";
  readonly code: DiagnosticCode;
  /** The problem, as a sentence without a final period. */
  readonly message: string;
  readonly span?: Span | undefined;
  /** The path in the document, such as `stages.train.with.steps`. */
  readonly path?: string;
  /** The places where a value came from that is not written at `span` itself, nearest first. */
  readonly origin?: readonly string[] | undefined;
  /** Other places that belong to the problem, such as the first of two equal keys. */
  readonly related?: readonly { readonly message: string; readonly span: Span }[];
}

/** The details of a problem beside its place, message and fix. */
export interface Details extends Partial<Omit<Diagnostic, "message" | "fix" | "span" | "path">> {
  /** The wrong part at the path: the key or the value. */
  readonly target?: "key" | "value" | undefined;
}

/** Returns an error without a place in a document; for one with a place see `diagnosticAt`. */
export function errorOf(
  code: DiagnosticCode,
  message: string,
  fix: string,
  more: Pick<Diagnostic, "got" | "wanted" | "span" | "related"> = {},
): Diagnostic {
  return { severity: "error", code, message, fix, ...more };
}

export type Result<T> =
  | { readonly ok: true; readonly value: T; readonly warnings: readonly Diagnostic[] }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };

/** The value that a function returns when it succeeds. */
export type ValueOf<F extends (...args: never[]) => unknown> = Extract<
  Awaited<ReturnType<F>>,
  { value: unknown }
>["value"];

export function succeed<T>(value: T, warnings: readonly Diagnostic[] = []): Result<T> {
  return { ok: true, value, warnings };
}

/** Fails with problems in the order of the file, those without a place first. */
export function refuse<T = never>(diagnostics: readonly Diagnostic[]): Result<T> {
  return { ok: false, diagnostics: diagnostics.toSorted((a, b) => (a.span?.start ?? -1) - (b.span?.start ?? -1)) };
}
