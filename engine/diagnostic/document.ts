import { type Details, type Diagnostic, refuse, type Result, type Span } from "./diagnostic.ts";

export type DocumentPath = readonly (string | number)[];

/** A parsed file: its plain value, and where each part of it is written. */
export interface SourceDocument {
  readonly value: unknown;
  /** Finds where a value is written, or its key with `target: "key"`; undefined for a path that is not in the file. */
  locate(path: DocumentPath, target?: "key" | "value"): Span | undefined;
  /** Returns the place of a value and those of the values that it replaced, for documents made of several. */
  origin(path: DocumentPath): string | undefined;
  /** The place of the file as a whole, at its start; undefined if it has no text to point at. */
  readonly whole: Span | undefined;
  /** The `profiles` of the file, which are checked with the rest of it. */
  readonly profiles?: unknown;
}

/** The places where the values of a resolved pipeline came from. */
export interface Origins {
  /** Finds where the value at a path is written, or else the nearest enclosing part that is written. */
  locate(path: DocumentPath, target?: "key" | "value"): Span | undefined;
  /** Returns the chain from a value back to its source, nearest first: overrides and vars, then file or default. */
  explain(path: DocumentPath): string[];
}

/** Returns a path as text: `stages.train.with.multipliers[1]`. */
export function formatPath(path: DocumentPath): string {
  return path.map((part) => typeof part === "number" ? `[${part}]` : `.${part}`).join("").replace(/^\./, "");
}

/** Returns a diagnostic for the value at a path of a document; an error unless the details say otherwise. */
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

/** Refuses a document for one problem. */
export function refuseAt<T = never>(...problem: Parameters<typeof diagnosticAt>): Result<T> {
  return refuse([diagnosticAt(...problem)]);
}

/** Returns where a value came from, if it is not written where it is used. */
export function indirectOrigin(origins: Origins, path: DocumentPath): string[] | undefined {
  const origin = origins.explain(path);
  return origin.length > 1 || origin[0]?.startsWith("--set") === true ? origin : undefined;
}
