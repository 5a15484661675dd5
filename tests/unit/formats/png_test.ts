import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { encode } from "fast-png";
import { FormatError } from "../../../formats/format_error.ts";
import { type ByteImage, decodePng, encodePng } from "../../../formats/png.ts";

const GREY: ByteImage = { width: 3, height: 2, channels: 1, data: Uint8Array.of(0, 50, 100, 150, 200, 255) };
const RGB: ByteImage = { width: 1, height: 2, channels: 3, data: Uint8Array.of(1, 2, 3, 250, 251, 252) };

Deno.test("decodePng() gives back what encodePng() wrote", () => {
  for (const image of [GREY, RGB]) {
    const bytes = encodePng(image);
    assertEquals(decodePng(bytes), image);
    assertEquals(encodePng(image), bytes);
  }
});

Deno.test("decodePng() gives back arbitrary images", () => {
  const images = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), fc.constantFrom(1, 3))
    .chain(([width, height, channels]) => {
      const length = width * height * channels;
      return fc.uint8Array({ minLength: length, maxLength: length })
        .map((data) => ({ width, height, channels, data: Uint8Array.from(data) }));
    });
  fc.assert(fc.property(images, (image) => assertEquals(decodePng(encodePng(image)), image)), {
    seed: 1,
    numRuns: 100,
  });
});

Deno.test("decodePng() reads a view in the middle of a buffer", () => {
  const bytes = encodePng(GREY);
  const shifted = new Uint8Array(bytes.length + 6);
  shifted.set(bytes, 5);
  assertEquals(decodePng(shifted.subarray(5, 5 + bytes.length)), GREY);
});

Deno.test("decodePng() reads images with alpha, and refuses 16 bits", () => {
  const data = Uint8Array.of(1, 2, 3, 4);
  const alpha = encode({ width: 1, height: 1, channels: 4, depth: 8, data });
  assertEquals(decodePng(alpha), { width: 1, height: 1, channels: 4, data });
  const deep = encode({ width: 1, height: 1, channels: 1, depth: 16, data: Uint16Array.of(1000) });
  assertThrows(() => decodePng(deep), FormatError, "PNG bit depth: got 16, wanted 8");
});

Deno.test("decodePng() resolves a palette", () => {
  const palette: [number, number, number][] = [[10, 20, 30], [40, 50, 60]];
  const bytes = encode({ width: 2, height: 1, channels: 1, depth: 8, data: Uint8Array.of(1, 0), palette });
  assertEquals(decodePng(bytes), { width: 2, height: 1, channels: 3, data: Uint8Array.of(40, 50, 60, 10, 20, 30) });
});

Deno.test("decodePng() throws FormatError when a byte of the pixels is flipped", () => {
  const bytes = encodePng(GREY);
  for (let at = 0; at < bytes.length; at++) {
    assertThrows(() => decodePng(bytes.with(at, bytes[at]! ^ 0x10)), FormatError, "PNG");
  }
});

Deno.test("decodePng() refuses before taking memory when the header declares too many pixels", () => {
  const bytes = encodePng(GREY);
  new DataView(bytes.buffer).setUint32(16, 2 ** 31);
  assertThrows(() => decodePng(bytes), FormatError, "PNG size: got 2147483648 x 2");
});

Deno.test("decodePng() throws nothing but FormatError when the bytes are noise", () => {
  const valid = encodePng(RGB);
  const noise = fc.uint8Array({ maxLength: 80 });
  const afterSignature = noise.map((tail) => Uint8Array.from([...valid.subarray(0, 24), ...tail]));
  const cut = fc.nat(valid.length - 1).map((length) => valid.slice(0, length));
  fc.assert(
    fc.property(fc.oneof(noise, afterSignature, cut), (bytes) => {
      try {
        decodePng(bytes);
      } catch (error) {
        assert(error instanceof FormatError, String(error));
      }
    }),
    { seed: 1, numRuns: 500 },
  );
});

Deno.test("encodePng() throws when the image is not what it says", () => {
  assertThrows(() => encodePng({ ...GREY, width: 4 }), RangeError, "got 6 bytes, wanted 2 x 4 x 1");
  assertThrows(() => encodePng({ ...GREY, channels: 2 }), RangeError, "got 2, wanted 1 or 3");
  assertThrows(() => encodePng({ ...GREY, width: 0, data: new Uint8Array() }), RangeError, "wanted 2 x 0 x 1");
});
