import { refuse } from "./format_error.ts";

/** Reads forward through the bytes of a file, little-endian. */
export class ByteCursor {
  /** @param what what the file is, for messages */
  constructor(readonly what: string, readonly bytes: Uint8Array, public at = 0) {}

  /** Returns a view of the next bytes. @throws FormatError when fewer are left, as do all methods below */
  take(length: number): Uint8Array {
    const left = Math.max(0, this.bytes.length - this.at);
    const wanted = `${length} from byte ${this.at} on: the file is cut off, or a size in it is wrong`;
    if (length > left) refuse(this.what, `${left} bytes`, wanted);
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /**
   * Reads an unsigned integer. Above 2^53 the integer is rounded, and is then still larger than the size of any file.
   */
  uint(size: number): number {
    return this.take(size).reduceRight((value, byte) => value * 256 + byte, 0);
  }

  text(length: number): string {
    return new TextDecoder().decode(this.take(length));
  }
}
