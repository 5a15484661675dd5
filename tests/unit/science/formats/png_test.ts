import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { encode } from "fast-png";
import { FormatError } from "../../../../science/formats/format_error.ts";
import { type ByteImage, type DeepImage, toBytes } from "../../../../science/formats/byte_image.ts";
import { anyPng, chunksOf, headerChunk, joinChunks } from "../../../support/png_files.ts";
import { encodePng } from "../../../../science/formats/png_encoder.ts";
import { decodePng } from "../../../../science/formats/png_decoder.ts";

const GREY: ByteImage = { width: 3, height: 2, channels: 1, data: Uint8Array.of(0, 50, 100, 150, 200, 255) };
const RGB: ByteImage = { width: 1, height: 2, channels: 3, data: Uint8Array.of(1, 2, 3, 250, 251, 252) };

/** Returns an image with the colours of fully transparent pixels as zeros: they do not matter. */
function asSeen({ width, height, channels, data }: DeepImage) {
  const alphaOf = (i: number) => channels % 2 === 0 ? data[i - i % channels + channels - 1] : undefined;
  return {
    width,
    height,
    channels,
    type: data.constructor.name,
    seen: [...data].map((v, i) => alphaOf(i) === 0 ? 0 : v),
  };
}

function assertSeen(png: Uint8Array, image: DeepImage): void {
  assertEquals(asSeen(decodePng(png)), asSeen(image));
}

Deno.test("decodePng() gives back what encodePng() wrote", () => {
  for (const image of [GREY, RGB]) {
    const bytes = encodePng(image);
    assertSeen(bytes, image);
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
  fc.assert(fc.property(images, (image) => assertSeen(encodePng(image), image)), {
    seed: 1,
    numRuns: 100,
  });
});

Deno.test("decodePng() reads a view in the middle of a buffer", () => {
  const bytes = encodePng(GREY);
  const shifted = new Uint8Array(bytes.length + 6);
  shifted.set(bytes, 5);
  assertSeen(shifted.subarray(5, 5 + bytes.length), GREY);
});

Deno.test("decodePng() gives back arbitrary images of 16 bits, with and without alpha", () => {
  const images = fc.tuple(
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 1, max: 4 }),
  )
    .chain(([width, height, channels]) => {
      const length = width * height * channels;
      return fc.uint16Array({ minLength: length, maxLength: length })
        .map((data) => ({ width, height, channels, data: Uint16Array.from(data) }));
    });
  const deepPng = (image: DeepImage) => encode({ ...image, depth: 16 });
  fc.assert(
    fc.property(images, (image) => {
      assertSeen(deepPng(image), image);
      assertSeen(encodePng(image), image);
    }),
    { seed: 1, numRuns: 100 },
  );
});

Deno.test("toBytes() rounds 16 bits to the nearest of 8", () => {
  assertSeen(encode({ width: 1, height: 1, channels: 4, depth: 8, data: Uint8Array.of(1, 2, 3, 4) }), {
    width: 1,
    height: 1,
    channels: 4,
    data: Uint8Array.of(1, 2, 3, 4),
  });
  // 65535 / 255 = 257: the nearest level is round(v / 257).
  const data = Uint16Array.of(0, 128, 129, 1000, 32768, 65535);
  assertEquals([...toBytes({ width: 6, height: 1, channels: 1, data }).data], [0, 0, 1, 4, 128, 255]);
});

// Chunks assembled with Python's zlib and struct; 3x2 grey pixels, rows that end within a byte.
const PACKED = [
  [
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACAQAAAAC1D1u3AAAADElEQVR4nGNIYFgAAAHEAQFkujO/AAAAAElFTkSuQmCC",
    [0, 255, 255, 255, 0, 255],
  ],
  [
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACAgAAAADyryFnAAAADElEQVR4nGMwYegBAAEsAMEtzLwAAAAAAElFTkSuQmCC",
    [0, 255, 85, 170, 0, 255],
  ],
  [
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACBAAAAAB979THAAAADklEQVR4nGPgD2BY+AEAA8MB8UWraKYAAAAASUVORK5CYII=",
    [0, 255, 85, 170, 17, 255],
  ],
] as const;

const bytesOf = (base64: string) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

Deno.test("decodePng() reads grey of 1, 2 and 4 bits", () => {
  for (const [file, levels] of PACKED) {
    assertSeen(bytesOf(file), { width: 3, height: 2, channels: 1, data: Uint8Array.from(levels) });
  }
});

Deno.test("decodePng() makes a transparent colour alpha, compared at the file's own depth", () => {
  const grey =
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACAgAAAADyryFnAAAAAnRSTlMAA++anIIAAAAMSURBVHicYzBh6AEAASwAwS3MvAAAAAAASUVORK5CYII=";
  const levels = Uint8Array.of(0, 255, 255, 0, 85, 255, 170, 255, 0, 255, 255, 0);
  assertSeen(bytesOf(grey), { width: 3, height: 2, channels: 2, data: levels });
  // 16-bit pixels that differ in the last bit of blue: only the first is the transparent colour.
  const deep =
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAABEAIAAADEEl+gAAAABnRSTlMD6AfQC7jGhhbdAAAAF0lEQVR4nGNgfsF+gXsHmNzJAAT//wMAQFkHCm4SzQ4AAAAASUVORK5CYII=";
  const colours = Uint16Array.of(1000, 2000, 3000, 0, 1000, 2000, 3001, 65535, 0, 0, 65535, 65535);
  assertSeen(bytesOf(deep), { width: 3, height: 1, channels: 4, data: colours });
});

Deno.test("decodePng() resolves a palette", () => {
  const palette: [number, number, number][] = [[10, 20, 30], [40, 50, 60]];
  const bytes = encode({ width: 2, height: 1, channels: 1, depth: 8, data: Uint8Array.of(1, 0), palette });
  assertSeen(bytes, { width: 2, height: 1, channels: 3, data: Uint8Array.of(40, 50, 60, 10, 20, 30) });
});

Deno.test("decodePng() throws FormatError when a byte of the pixels is flipped", () => {
  const bytes = encodePng(GREY);
  for (let at = 0; at < bytes.length; at++) {
    assertThrows(() => decodePng(bytes.with(at, bytes[at]! ^ 0x10)), FormatError, "PNG");
  }
});

Deno.test("decodePng() refuses before taking memory when the header declares too many pixels", () => {
  const [ihdr, ...rest] = chunksOf(encodePng(GREY));
  const content = ihdr!.content.slice();
  new DataView(content.buffer).setUint32(0, 2 ** 31);
  const bytes = joinChunks([{ ...ihdr!, content }, ...rest]);
  assertThrows(() => decodePng(bytes), FormatError, "PNG size: got 2147483648 x 2");
});

Deno.test("decodePng() reads images of one column or row, and refuses sides that a decoder takes gigabytes for", () => {
  const bitsOf = (width: number, height: number, interlaced: number) => {
    const [, ...rest] = chunksOf(encodePng({ width, height: 1, channels: 1, data: new Uint8Array(width) }));
    return joinChunks([headerChunk(width, height, [8, 0, 0, 0, interlaced]), ...rest]);
  };
  assertEquals(decodePng(bitsOf(65_535, 1, 0)).width, 65_535);
  // 1 x 100,000,000 pixels took 2 GB and minutes, because each row is an object.
  for (const [width, height] of [[65_536, 1], [1, 65_536], [1, 100_000_000], [1, 50_000_000]] as const) {
    for (const interlaced of [0, 1]) {
      const says = `PNG size: got ${width} x ${height}`;
      assertThrows(() => decodePng(bitsOf(width, height, interlaced)), FormatError, says);
    }
  }
});

Deno.test("decodePng() reads what is written in any depth, colour, filter and order of rows", () => {
  fc.assert(fc.property(anyPng, ({ bytes, image }) => assertSeen(bytes, image)), {
    seed: 1,
    numRuns: 300,
  });
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
