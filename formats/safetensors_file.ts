import { readAt } from "./read_at.ts";
import { decodeTensor, headerBytes, LENGTH_BYTES, type SafetensorsTensor } from "./safetensors.ts";
import { type HeaderEntry, parseHeader } from "./safetensors_header.ts";

/** A safetensors file whose tensors are read one by one: memory holds what is asked for, once. */
export interface SafetensorsFile extends Disposable {
  readonly entries: readonly HeaderEntry[];
  read(entry: HeaderEntry): Promise<SafetensorsTensor>;
}

/** @throws FormatError when the file is not what `decodeSafetensors` reads */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const file = await Deno.open(path);
  try {
    const { size } = await file.stat();
    const head = new Uint8Array(Math.min(LENGTH_BYTES, size));
    await readAt(file, 0, head);
    const start = LENGTH_BYTES + headerBytes(head, size);
    const header = new Uint8Array(start - LENGTH_BYTES);
    await readAt(file, LENGTH_BYTES, header);
    const { entries } = parseHeader(header, size - start);
    return {
      entries,
      async read(entry) {
        const bytes = new Uint8Array(entry.end - entry.begin);
        await readAt(file, start + entry.begin, bytes);
        return decodeTensor(bytes, entry);
      },
      [Symbol.dispose]: () => file.close(),
    };
  } catch (error) {
    file.close();
    throw error;
  }
}
