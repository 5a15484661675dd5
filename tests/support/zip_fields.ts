import { assertEquals } from "@std/assert";
import { zipSync } from "fflate";
import { join } from "node:path";
import { zipEntries } from "../../science/formats/archives.ts";
import { FormatError } from "../../science/formats/format_error.ts";

/** A zip of two files, one of them compressed, in the form for more than 4 GiB. */
function zip64(): Uint8Array {
  const plain = zipSync({ "a.png": [Uint8Array.of(1, 2, 3), { level: 0 }], "b.png": new Uint8Array(99) });
  const end = plain.length - 22;
  const tail = new DataView(new ArrayBuffer(56 + 20 + 22));
  const directory = new DataView(plain.buffer, end, 22);
  tail.setUint32(0, 0x06064b50, true);
  tail.setBigUint64(4, 44n, true);
  for (const at of [24, 32]) tail.setBigUint64(at, BigInt(directory.getUint16(10, true)), true);
  tail.setBigUint64(40, BigInt(directory.getUint32(12, true)), true);
  tail.setBigUint64(48, BigInt(directory.getUint32(16, true)), true);
  tail.setUint32(56, 0x07064b50, true);
  tail.setBigUint64(64, BigInt(end), true);
  tail.setUint32(72, 1, true);
  const bytes = new Uint8Array(tail.buffer);
  bytes.set(plain.subarray(end), 76);
  return new Uint8Array([...plain.subarray(0, end), ...bytes]);
}

/**
 * Writes values, of some numbers of bytes, to each place of a zip's directory and of its end. Each zip is read, or
 * refused with a {@linkcode FormatError}; anything else is thrown.
 * @returns how many zips were refused, and how many were read
 */
export async function tryFields(values: readonly bigint[], lengths: readonly number[]) {
  const whole = zip64();
  const folder = await Deno.makeTempDir();
  const path = join(folder, "x.zip");
  const read = async (bytes?: Uint8Array) => {
    const found: string[] = [];
    for await (const entry of zipEntries(path, bytes)) found.push(`${entry.name} ${(await entry.read(1_000)).length}`);
    return found.join();
  };
  Deno.writeFileSync(path, whole);
  assertEquals(await read(), "a.png 3,b.png 99");
  const directory = Number(new DataView(whole.buffer, whole.length - 98).getBigUint64(48, true));
  let [refused, served] = [0, 0];
  for (const value of values) {
    for (const length of lengths) {
      for (let at = directory; at + length <= whole.length; at++) {
        const changed = whole.slice();
        for (let i = 0; i < length; i++) changed[at + i] = Number(value >> BigInt(8 * i) & 0xffn);
        const inMemory = (at + Number(value % 7n)) % 2 === 0;
        if (!inMemory) Deno.writeFileSync(path, changed);
        try {
          await read(inMemory ? changed : undefined);
          served++;
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
          refused++;
        }
      }
    }
  }
  await Deno.remove(folder, { recursive: true });
  return { refused, served };
}
