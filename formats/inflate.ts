import { gunzipSync, inflateRawSync, inflateSync } from "node:zlib";
import { FormatError } from "./format_error.ts";

/** The ways in which DEFLATE (RFC 1951) is wrapped: by gzip, by zlib as in PNG, and not at all as in zip. */
const UNPACK = { gzip: gunzipSync, zlib: inflateSync, raw: inflateRawSync } as const;

/** Bytes are unpacked in pieces of this size, so that a file that holds less than it says takes no more than it holds. */
const PIECE = 1 << 20;

/**
 * Unpack compressed bytes, checking their checksum where they have one. Everything that is unpacked goes through here or
 * {@linkcode endAt}: a few kilobytes can hold gigabytes.
 *
 * @param mostBytes it stops there @param what it is, for messages
 * @throws FormatError when they are damaged, cut off or hold more
 */
export function inflate(
  bytes: Uint8Array,
  { form, mostBytes, what }: { readonly form: keyof typeof UNPACK; readonly mostBytes: number; readonly what: string },
): Uint8Array<ArrayBuffer> {
  try {
    const { buffer, byteOffset, length } = UNPACK[form](bytes, {
      // The unpackers do not take 0, and the checksum of nothing tells.
      maxOutputLength: Math.max(1, mostBytes),
      chunkSize: PIECE,
    });
    return new Uint8Array(buffer as ArrayBuffer, byteOffset, length);
  } catch (cause) {
    if ((cause as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE") throw unpacksToMore(what, mostBytes);
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError(what, { got: `one that is damaged (${reason})`, wanted: "whole compressed data", cause });
  }
}

export function unpacksToMore(what: string, mostBytes: number): FormatError {
  return new FormatError(what, { got: "one that unpacks to more", wanted: `at most ${mostBytes} bytes, unpacked` });
}

/** A stream that is refused as soon as it is longer. */
export function endAt(mostBytes: number, what: string): TransformStream<Uint8Array, Uint8Array> {
  let seen = 0;
  return new TransformStream({
    transform(piece, controller) {
      if ((seen += piece.length) <= mostBytes) return controller.enqueue(piece);
      throw unpacksToMore(what, mostBytes);
    },
  });
}
