import { gunzipSync, inflateSync } from "node:zlib";
import { FormatError, refuse } from "./format_error.ts";

/** Decompressors by the wrapping of the DEFLATE data (RFC 1951): by gzip, and by zlib as in PNG. */
const UNPACK = { gzip: gunzipSync, zlib: inflateSync } as const;

/**
 * Bytes are unpacked in pieces of this size, so that a file that holds less than it declares takes no more memory than
 * it holds.
 */
const PIECE = 1 << 20;

/**
 * Unpacks compressed bytes and verifies their checksum if they have one. All that is unpacked whole goes through here:
 * a few kilobytes can hold gigabytes.
 *
 * @param mostBytes maximum unpacked size, where unpacking stops @param what what the bytes are, for messages
 * @throws FormatError when the bytes are damaged, cut off or unpack to more than `mostBytes`
 */
export function inflate(
  bytes: Uint8Array,
  { form, mostBytes, what }: { readonly form: keyof typeof UNPACK; readonly mostBytes: number; readonly what: string },
): Uint8Array<ArrayBuffer> {
  try {
    const { buffer, byteOffset, length } = UNPACK[form](bytes, {
      // zlib does not accept a limit of 0. For data that should be empty, the checksum finds the difference.
      maxOutputLength: Math.max(1, mostBytes),
      // zlib takes no pieces below 64 bytes.
      chunkSize: Math.min(PIECE, Math.max(64, mostBytes)),
    });
    return new Uint8Array(buffer as ArrayBuffer, byteOffset, length);
  } catch (cause) {
    if ((cause as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE") throw unpacksToMore(what, mostBytes);
    const reason = cause instanceof Error ? cause.message : String(cause);
    refuse(what, `one that is damaged (${reason})`, "whole compressed data", cause);
  }
}

export function unpacksToMore(what: string, mostBytes: number): FormatError {
  return new FormatError(what, { got: "one that unpacks to more", wanted: `at most ${mostBytes} bytes, unpacked` });
}
