import { basename, dirname, resolve } from "node:path";
import {
  type DiagnosticCode,
  errorOf,
  refuse,
  type Result,
  type SourceText,
  succeed,
} from "../../diagnostic/diagnostic.ts";
import { suggestPath } from "../../../std/near_path.ts";
import { recordRead } from "../../process/read_log.ts";

/** Larger files are refused: a pipeline of 10,000 stages needs about 2 MB. */
export const MAX_SOURCE_BYTES = 5_000_000;

/**
 * Reads a file as text, refusing what cannot be a pipeline: folders, huge files, bytes that are not UTF-8 text.
 * @param what the kind of file, for messages
 */
export function readSource(path: string, name: string = path, what: string = "pipeline file"): Result<SourceText> {
  const refused = (why: string, fix: string, code: DiagnosticCode = "file-unreadable", more = {}): Result<SourceText> =>
    refuse([errorOf(code, `Cannot read ${name}: ${why}`, fix, more)]);
  const tooLarge = (size: number) => {
    const details = { got: `${size} bytes`, wanted: `at most ${MAX_SOURCE_BYTES} bytes` };
    const fix = "put long lists, such as of betas, into files of their own, or split the experiment";
    return refused(`it is too large for a ${what}`, fix, "file-too-large", details);
  };
  const notText = (got: string) =>
    refused("it is not a text file", `name a ${what} in YAML`, "file-not-text", { got, wanted: "UTF-8 text" });
  let bytes: Uint8Array;
  try {
    const info = Deno.statSync(path);
    if (info.isDirectory) return refused("it is a folder", "name a file in it");
    if (!info.isFile) return refused("it is not a regular file", `name a ${what}`);
    if (info.size > MAX_SOURCE_BYTES) return tooLarge(info.size);
    bytes = Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      const fix = `check the path: there is no ${basename(path)} in ${dirname(resolve(path))}`;
      return refused("no such file", suggestPath(path, name) ?? fix);
    }
    if (error instanceof Deno.errors.PermissionDenied) {
      return refused("permission denied", "make the file readable for this user");
    }
    return refused(error instanceof Error ? error.message : String(error), "check the path");
  }
  recordRead(path, bytes);
  if (bytes.length > MAX_SOURCE_BYTES) return tooLarge(bytes.length);
  const zero = bytes.indexOf(0);
  if (zero >= 0) return notText(`a zero byte at offset ${zero}`);
  try {
    return succeed({ name, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) });
  } catch {
    return notText("bytes that are not UTF-8");
  }
}
