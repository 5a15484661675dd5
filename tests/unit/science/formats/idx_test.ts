import { assertEquals, assertThrows } from "@std/assert";
import { gzipSync } from "node:zlib";
import { FormatError } from "../../../../science/formats/format_error.ts";
import { decodeIdx } from "../../../../science/formats/idx.ts";
import { inflate } from "../../../../science/formats/inflate.ts";

const SHAPE = [2, 1, 3];
const IMAGES = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 10, 20, 30, 40, 50, 60);

Deno.test("decodeIdx() reads arrays of bytes, packed or not", () => {
  const wanted = [10, 20, 30, 40, 50, 60];
  assertEquals([...decodeIdx(IMAGES, SHAPE)], wanted);
  assertEquals([...decodeIdx(gzipSync(IMAGES), SHAPE)], wanted);
  assertEquals([...decodeIdx(Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 7, 9), [2])], [7, 9]);
});

Deno.test("decodeIdx() says what is wrong with a file", () => {
  const refuses = (bytes: Uint8Array, says: string) => assertThrows(() => decodeIdx(bytes, SHAPE), FormatError, says);
  refuses(new Uint8Array(), "IDX file: got a start of nothing");
  refuses(IMAGES.with(2, 0x0d), "IDX file: got a start of 00 00 0d 03, wanted 00 00 08");
  refuses(new TextEncoder().encode("<html>not found"), "IDX file: got a start of 3c 68 74 6d");
  refuses(IMAGES.subarray(0, 9), "IDX header: got 9 bytes, wanted 16");
  refuses(IMAGES.subarray(0, 20), "IDX data: got 4 bytes, wanted 6 for [2,1,3]");
  refuses(Uint8Array.of(...IMAGES, 1), "IDX data: got 7 bytes, wanted 6");
  const packed = gzipSync(IMAGES);
  refuses(packed.subarray(0, packed.length - 5), "gzip file");
  const flipped = Uint8Array.from(packed);
  flipped[packed.length - 6]! ^= 1;
  refuses(flipped, "gzip file");
});

Deno.test("decodeIdx() refuses an array of another shape, and unpacks no more than the wanted one has", () => {
  const other = (shape: readonly number[]) => assertThrows(() => decodeIdx(gzipSync(IMAGES), shape), FormatError);
  assertEquals(other([4, 2, 2]).message, "IDX file: got shape [2,1,3], wanted [4,2,2]");
  assertEquals(other([5]).message, "gzip file: got one that unpacks to more, wanted at most 13 bytes, unpacked");
});

Deno.test("inflate() stops at the size that it was given", () => {
  const bomb = gzipSync(new Uint8Array(1 << 20));
  const unpack = (mostBytes: number) => inflate(bomb, { form: "gzip", mostBytes, what: "bomb" });
  assertEquals(unpack(1 << 20).length, 1 << 20);
  assertThrows(() => unpack(1 << 19), FormatError, "bomb: got one that unpacks to more, wanted at most 524288 bytes");
});
