import { type Details, type Diagnostic, refuse, type Result, type Span } from "./diagnostic.ts";

export type DocumentPath = readonly (string | number)[];

/** A parsed file: its plain value, and where each part of it is written. */
export interface SourceDocument {
  readonly value: unknown;
  /** Where the value at a path is written, or its key with `target: "key"`. Undefined for paths that are not in the file. */
  locate(path: DocumentPath, target?: "key" | "value"): Span | undefined;
  /** The place of a value with those of the values that it took the place of, for documents that are made of several. */
  origin(path: DocumentPath): string | undefined;
  /** Where the file as a whole begins; undefined where it has no text to point at. */
  readonly whole: Span | undefined;
  /** What the file says of profiles, which is checked with the rest of it. */
  readonly profiles?: unknown;
}

/** Where values of a resolved pipeline came from. */
export interface Origins {
  /** Where the value at a path is written, or the nearest enclosing part that is. */
  locate(path: DocumentPath, target?: "key" | "value"): Span | undefined;
  /** The chain from the value back to its source, nearest first: overrides and vars, then the file, or the default. */
  explain(path: DocumentPath): string[];
}

/** `stages.train.with.multipliers[1]` */
export function formatPath(path: DocumentPath): string {
  return path.map((part) => typeof part === "number" ? `[${part}]` : `.${part}`).join("").replace(/^\./, "");
}

/** What is wrong with what is at a path of a document; an error where it does not say. */
export function diagnosticAt(
  document: Pick<SourceDocument, "locate">,
  path: DocumentPath,
  message: string,
  fix: string | undefined,
  { target, ...more }: Details = {},
): Diagnostic {
  const span = document.locate(path, target);
  return { severity: "error", code: "invalid-value", message, fix, ...more, path: formatPath(path), span };
}

/** Refuse a document for one problem. */
export function refuseAt<T = never>(...problem: Parameters<typeof diagnosticAt>): Result<T> {
  return refuse([diagnosticAt(...problem)]);
}
