import { FormatError } from "../../science/formats/format_error.ts";

/**
 * Reads a whole file after checking its length.
 * @throws FormatError when the file cannot be read, or is longer than `mostBytes`
 */
export async function readFile(path: string, what: string, mostBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const { size } = await Deno.stat(path);
    if (size > mostBytes) throw new FormatError(what, { got: `${size} bytes`, wanted: `at most ${mostBytes}` });
    return await Deno.readFile(path);
  } catch (cause) {
    if (cause instanceof FormatError || !(cause instanceof Error)) throw cause;
    throw new FormatError(what, { got: cause.message, wanted: "a file that can be read", cause });
  }
}
