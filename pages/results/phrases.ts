import type { Keep } from "noiseline/engine";
import { shortList } from "../../std/shorten.ts";

/** Shows a param in a line of text. */
export function showParam(value: unknown): string {
  // The key of a file does not contain its path.
  const text = value === undefined ? "unset" : JSON.stringify(value).replaceAll('{"path":null}', "a file");
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** Says why a result that other code has made serves. */
export function describeKeep({ edits, by, at }: Keep): string {
  return `kept by ${by} on ${at.slice(0, 10)} for an edit of ${shortList(Object.keys(edits))}`;
}
