import { errorOf, refuse, type Result, type SourceText, succeed } from "../../diagnostic/diagnostic.ts";
import { noteText } from "../../process/read_log.ts";

/** Larger files are refused: a pipeline of 10,000 stages needs about 2 MB. */
export const MAX_SOURCE_BYTES = 5_000_000;

function unreadable(name: string, message: string, fix: string): Result<SourceText> {
  return refuse([errorOf("file-unreadable", `Cannot read ${name}: ${message}`, fix)]);
}

function explainReadError(name: string, error: unknown): Result<SourceText> {
  if (error instanceof Deno.errors.NotFound) {
    return unreadable(name, "no such file", "check the path; it is relative to the current folder");
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return unreadable(name, "permission denied", "make the file readable for this user");
  }
  return unreadable(name, error instanceof Error ? error.message : String(error), "check the path");
}

/** Read a file as text, refusing what cannot be a pipeline: folders, huge files, bytes that are not UTF-8 text. */
export function readSource(path: string, name: string = path): Result<SourceText> {
  let bytes: Uint8Array;
  try {
    const info = Deno.statSync(path);
    if (info.isDirectory) return unreadable(name, "it is a folder", "name a file in it");
    if (!info.isFile) return unreadable(name, "it is not a regular file", "name a pipeline file");
    if (info.size > MAX_SOURCE_BYTES) return tooLarge(name, info.size);
    bytes = Deno.readFileSync(path);
  } catch (error) {
    return explainReadError(name, error);
  }
  noteText(path, bytes);
  if (bytes.length > MAX_SOURCE_BYTES) return tooLarge(name, bytes.length);
  const notText = (got: string): Result<SourceText> => {
    const message = `Cannot read ${name}: it is not a text file`;
    return refuse([errorOf("file-not-text", message, "name a pipeline file in YAML", { got, wanted: "UTF-8 text" })]);
  };
  const zero = bytes.indexOf(0);
  if (zero >= 0) return notText(`a zero byte at offset ${zero}`);
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return succeed({ name, text });
  } catch {
    return notText("bytes that are not UTF-8");
  }
}

function tooLarge(name: string, size: number): Result<SourceText> {
  const message = `Cannot read ${name}: it is too large for a pipeline file`;
  const details = { got: `${size} bytes`, wanted: `at most ${MAX_SOURCE_BYTES} bytes` };
  return refuse([errorOf("file-too-large", message, "split the experiment into several pipelines", details)]);
}
