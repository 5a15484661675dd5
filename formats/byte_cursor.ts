import { FormatError } from "./format_error.ts";

/** Reads forward through the bytes of a file, little-endian. */
export class ByteCursor {
  /** @param what the file is, for messages */
  constructor(readonly what: string, readonly bytes: Uint8Array, public at = 0) {}

  /** A view of the next bytes. @throws FormatError when there are not as many, as all below */
  take(length: number): Uint8Array {
    const left = Math.max(0, this.bytes.length - this.at);
    if (length > left) {
      const wanted = `${length} from byte ${this.at} on: the file is cut off, or a size in it is wrong`;
      throw new FormatError(this.what, { got: `${left} bytes`, wanted });
    }
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** An unsigned integer; above 2^53 it is rounded, and still more than any file has. */
  uint(size: number): number {
    return this.take(size).reduceRight((value, byte) => value * 256 + byte, 0);
  }

  text(length: number): string {
    return new TextDecoder().decode(this.take(length));
  }
}
