import { FormatError } from "./format_error.ts";

/** A regular file of an archive. */
export interface TarFile {
  /** As the archive has it, with `/`. */
  readonly name: string;
  readonly size: number;
  /** Its content; to be called before the next file is asked for, or not at all. */
  read(): Promise<Uint8Array<ArrayBuffer>>;
}

const BLOCK = 512;
const CHECKSUM_OFFSET = 148;
const CHECKSUM_BYTES = 8;

/**
 * Regular files of a tar archive (POSIX ustar), one after the other, without holding the whole of it. Folders, links and
 * extended headers are passed over, so names of more than 255 bytes come cut.
 *
 * @throws FormatError when a header is none or the archive is cut off
 */
export async function* readTar(stream: ReadableStream<Uint8Array>): AsyncGenerator<TarFile> {
  const source = new ByteSource(stream);
  try {
    for (;;) {
      const header = await source.take(BLOCK, "tar header");
      // Two blocks of zeros end an archive; one is enough to know.
      if (header.every((byte) => byte === 0)) return;
      const { name, size, regular } = parseHeader(header);
      let left = Math.ceil(size / BLOCK) * BLOCK;
      if (regular) {
        yield {
          name,
          size,
          read: async () => {
            const content = await source.take(size, `tar file ${name}`);
            left -= size;
            return content;
          },
        };
      }
      await source.skip(left, `tar file ${name}`);
    }
  } finally {
    await source.close();
  }
}

function parseHeader(header: Uint8Array): { name: string; size: number; regular: boolean } {
  const text = (at: number, length: number) => {
    const field = header.subarray(at, at + length);
    const end = field.indexOf(0);
    return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
  };
  const octal = (at: number, length: number) => parseInt(text(at, length).trim() || "0", 8);
  let sum = 0;
  header.forEach((byte, at) => {
    const inChecksum = at >= CHECKSUM_OFFSET && at < CHECKSUM_OFFSET + CHECKSUM_BYTES;
    sum += inChecksum ? 0x20 : byte;
  });
  const size = octal(124, 12);
  if (octal(CHECKSUM_OFFSET, CHECKSUM_BYTES) !== sum || !Number.isSafeInteger(size)) {
    throw new FormatError("tar header", { got: "a block with a wrong checksum", wanted: "the header of a file" });
  }
  const prefix = text(257, 5) === "ustar" ? text(345, 155) : "";
  const type = text(156, 1);
  return {
    name: prefix === "" ? text(0, 100) : `${prefix}/${text(0, 100)}`,
    size,
    regular: type === "" || type === "0",
  };
}

/** A stream as bytes to take, whatever its chunks. */
class ByteSource {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  async take(length: number, what: string): Promise<Uint8Array<ArrayBuffer>> {
    const out = new Uint8Array(length);
    await this.#advance(length, what, (part, at) => out.set(part, at));
    return out;
  }

  async skip(length: number, what: string): Promise<void> {
    await this.#advance(length, what, () => {});
  }

  async close(): Promise<void> {
    // A stream that broke has no more to say than the error that came out of it.
    await this.#reader.cancel().catch(() => {});
  }

  async #advance(length: number, what: string, use: (part: Uint8Array, at: number) => void): Promise<void> {
    for (let at = 0; at < length;) {
      if (this.#chunk.length === 0) {
        const { done, value } = await this.#reader.read();
        if (done) throw new FormatError(what, { got: `${at} bytes`, wanted: `${length}: the archive is cut off` });
        this.#chunk = value;
        continue;
      }
      const part = this.#chunk.subarray(0, length - at);
      use(part, at);
      at += part.length;
      this.#chunk = this.#chunk.subarray(part.length);
    }
  }
}
