import { createHash } from "node:crypto";
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { ByteImage } from "../../../../science/formats/byte_image.ts";
import { FormatError } from "../../../../science/formats/format_error.ts";
import { decodeJpeg } from "../../../../science/formats/jpeg/jpeg.ts";
import DAMAGED from "../../../golden/jpeg_damaged.json" with { type: "json" };
import PILLOW from "../../../golden/jpeg_pillow.json" with { type: "json" };
import { JPEGS, withOrientation } from "./jpeg_fixtures.ts";

function pixel({ width, channels, data }: ByteImage, x: number, y: number): number[] {
  return [...data.subarray((y * width + x) * channels, (y * width + x) * channels + channels)];
}

function corners(image: ByteImage): number[][] {
  const [right, bottom] = [image.width - 1, image.height - 1];
  return [pixel(image, 0, 0), pixel(image, right, 0), pixel(image, 0, bottom), pixel(image, right, bottom)];
}

/**
 * Pillow 12: `np.asarray(Image.open(path).convert("RGB"))`; decoders may differ by their inverse transform's rounding.
 */
const WANTED = [[1, 0, 130], [241, 0, 130], [1, 210, 127], [239, 211, 127]];
const ROUNDING = 2;

function assertNear(got: readonly number[][], wanted: readonly number[][]): void {
  const far = got.flat().some((level, i) => Math.abs(level - wanted.flat()[i]!) > ROUNDING);
  assert(!far, `got ${JSON.stringify(got)}, wanted ${JSON.stringify(wanted)}`);
}

for (const kind of ["baseline", "progressive"] as const) {
  Deno.test(`decodeJpeg() reads ${kind} files as Pillow does`, () => {
    const image = decodeJpeg(JPEGS[kind]);
    assertEquals([image.width, image.height, image.channels], [16, 8, 3]);
    assertNear(corners(image), WANTED);
  });
}

// Written by dev/data/make_jpeg_fixtures.py, which names the versions; no tolerance, because both use libjpeg-turbo.
for (const { name, width, height, jpeg, sha256 } of PILLOW) {
  Deno.test(`decodeJpeg() gives the bytes that Pillow gives: ${name}`, () => {
    const image = decodeJpeg(Uint8Array.fromBase64(jpeg));
    assertEquals([image.width, image.height, image.channels], [width, height, 3]);
    assertEquals(createHash("sha256").update(image.data).digest("hex"), sha256);
  });
}

Deno.test("decodeJpeg() gives Pillow's bytes of a damaged file, or refuses it", () => {
  const files = PILLOW.map(({ jpeg }) => Uint8Array.fromBase64(jpeg));
  const counts: Record<string, number> = { read: 0, refused: 0, "refused by Pillow too": 0 };
  for (const [number, at, remove, insert, wanted] of DAMAGED as [number, number, number, string, string | null][]) {
    const bytes = [...files[number]!];
    bytes.splice(at, remove, ...Uint8Array.fromHex(insert));
    const what = `${PILLOW[number]!.name}: ${remove} bytes at ${at} become ${insert}`;
    let got: string | null = null;
    try {
      got = createHash("sha256").update(decodeJpeg(Uint8Array.from(bytes)).data).digest("hex").slice(0, 16);
    } catch (error) {
      assert(error instanceof FormatError, `${what}: ${error}`);
    }
    if (got !== null) assertEquals(got, wanted, what);
    counts[got !== null ? "read" : wanted !== null ? "refused" : "refused by Pillow too"]!++;
  }
  assert(Object.values(counts).every((count) => count > 100), JSON.stringify(counts));
});

Deno.test("decodeJpeg() reads grey files as three equal channels", () => {
  const { data } = decodeJpeg(JPEGS.grey);
  assertEquals(data.length, 16 * 8 * 3);
  assert(data.every((level, i) => level === data[i - i % 3]));
});

Deno.test("decodeJpeg() turns images upright for all eight orientations, in both byte orders", () => {
  const [topLeft, topRight, bottomLeft, bottomRight] = corners(decodeJpeg(JPEGS.baseline)) as number[][];
  // EXIF 2.3, tag 0x0112: the corners that are seen top left, top right, bottom left and bottom right.
  const seen = [
    [topLeft, topRight, bottomLeft, bottomRight],
    [topRight, topLeft, bottomRight, bottomLeft],
    [bottomRight, bottomLeft, topRight, topLeft],
    [bottomLeft, bottomRight, topLeft, topRight],
    [topLeft, bottomLeft, topRight, bottomRight],
    [bottomLeft, topLeft, bottomRight, topRight],
    [bottomRight, topRight, bottomLeft, topLeft],
    [topRight, bottomRight, topLeft, bottomLeft],
  ];
  seen.forEach((wanted, index) => {
    for (const little of [false, true]) {
      const image = decodeJpeg(withOrientation(JPEGS.baseline, index + 1, little));
      assertEquals([image.width, image.height], index + 1 >= 5 ? [8, 16] : [16, 8]);
      assertEquals(corners(image), wanted, `orientation ${index + 1}`);
    }
  });
  assertEquals(decodeJpeg(withOrientation(JPEGS.baseline, 77)).width, 16);
});

Deno.test("decodeJpeg() refuses files that are cut off at any byte, and noise, with FormatError alone", () => {
  for (const jpeg of [JPEGS.baseline, JPEGS.progressive]) {
    for (let length = 0; length < jpeg.length; length++) {
      assertThrows(() => decodeJpeg(jpeg.subarray(0, length)), FormatError, "JPEG");
    }
  }
  let state = 1;
  for (let round = 0; round < 300; round++) {
    const bytes = Uint8Array.from(JPEGS.baseline);
    for (let flip = 0; flip < 4; flip++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      bytes[3 + state % (bytes.length - 3)]! ^= 1 + (state >>> 24) % 255;
    }
    try {
      decodeJpeg(bytes);
    } catch (error) {
      assert(error instanceof FormatError, String(error));
    }
  }
});

Deno.test("decodeJpeg() refuses before taking memory when the header declares too many pixels", () => {
  const bytes = Uint8Array.from(JPEGS.baseline);
  const frame = bytes.findIndex((byte, at) => byte === 0xff && bytes[at + 1] === 0xc0);
  new DataView(bytes.buffer).setUint32(frame + 5, 0xffffffff);
  assertThrows(() => decodeJpeg(bytes), FormatError, "65535 x 65535 pixels, wanted 1 to");
});

Deno.test("decodeJpeg() goes on to decode after files that it refused", () => {
  const whole = JPEGS.baseline;
  const broken = Uint8Array.from(whole).fill(0xff, whole.length - 40, whole.length - 20);
  for (let round = 0; round < 3; round++) {
    assertThrows(() => decodeJpeg(broken), FormatError, "JPEG");
    assertEquals(decodeJpeg(whole).width, 16);
  }
});
