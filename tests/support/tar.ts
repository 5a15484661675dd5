/** A file or folder to put into a test's archive. */
export interface TarEntry {
  readonly name: string;
  /** Absent for a folder. */
  readonly content?: Uint8Array;
}

const BLOCK = 512;

function header({ name, content }: TarEntry): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (text: string, at: number) => block.set(new TextEncoder().encode(text), at);
  const octal = (value: number, length: number) => value.toString(8).padStart(length - 1, "0");
  put(name, 0);
  put(octal(content === undefined ? 0o755 : 0o644, 8), 100);
  put(octal(0, 8), 108);
  put(octal(0, 8), 116);
  put(octal(content?.length ?? 0, 12), 124);
  put(octal(0, 12), 136);
  put(content === undefined ? "5" : "0", 156);
  put("ustar\u000000", 257);
  block.fill(0x20, 148, 156);
  put(`${octal(block.reduce((sum, byte) => sum + byte, 0), 7)}\u0000 `, 148);
  return block;
}

/** Makes a ustar archive, as `tar --format=ustar` writes it. */
export function makeTar(entries: readonly TarEntry[]): Uint8Array<ArrayBuffer> {
  const parts = entries.flatMap((entry) => {
    const content = entry.content ?? new Uint8Array();
    return [header(entry), content, new Uint8Array((BLOCK - content.length % BLOCK) % BLOCK)];
  });
  const all = [...parts, new Uint8Array(2 * BLOCK)];
  const archive = new Uint8Array(all.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of all) {
    archive.set(part, at);
    at += part.length;
  }
  return archive;
}
