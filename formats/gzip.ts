import { gunzipSync } from "node:zlib";
import { FormatError } from "./format_error.ts";

export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * Unpack a gzip file (RFC 1952), checking its length and checksum.
 *
 * @param maxBytes what it may unpack to: a few kilobytes can hold gigabytes
 * @throws FormatError when it is damaged, cut off or larger than that
 */
export function gunzip(bytes: Uint8Array, maxBytes: number): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(gunzipSync(bytes, { maxOutputLength: maxBytes }));
  } catch (cause) {
    throw new FormatError("gzip file", {
      got: `one that is damaged or too large (${cause instanceof Error ? cause.message : String(cause)})`,
      wanted: `a whole file of at most ${maxBytes} bytes`,
      cause,
    });
  }
}
