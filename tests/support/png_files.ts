import fc from "fast-check";
import { Buffer } from "node:buffer";
import { crc32, deflateSync } from "node:zlib";
import type { DeepImage } from "../../science/formats/byte_image.ts";

export interface Chunk {
  readonly type: string;
  readonly content: Uint8Array;
  /** The length and checksum that the chunk claims, if they are not the real ones. */
  readonly length?: number;
  readonly checksum?: number;
}

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

export function joinChunks(chunks: readonly Chunk[]): Uint8Array<ArrayBuffer> {
  const parts = chunks.flatMap(({ type, content, length = content.length, checksum }) => {
    const [before, after] = [Buffer.alloc(4), Buffer.alloc(4)];
    before.writeUInt32BE(length);
    const body = Buffer.concat([Buffer.from(type, "latin1"), content]);
    after.writeUInt32BE(checksum ?? crc32(body));
    return [before, body, after];
  });
  return new Uint8Array(Buffer.concat([Uint8Array.from(SIGNATURE), ...parts]));
}

export function chunksOf(png: Uint8Array): Chunk[] {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const chunks: Chunk[] = [];
  for (let at = SIGNATURE.length; at < png.length;) {
    const end = at + 8 + view.getUint32(at);
    chunks.push({ type: String.fromCharCode(...png.subarray(at + 4, at + 8)), content: png.slice(at + 8, end) });
    at = end + 4;
  }
  return chunks;
}

export function headerChunk(width: number, height: number, rest: readonly number[]): Chunk {
  const content = Buffer.alloc(13);
  content.writeUInt32BE(width, 0);
  content.writeUInt32BE(height, 4);
  content.set(rest, 8);
  return { type: "IHDR", content };
}

const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 } as const;
type Colour = keyof typeof CHANNELS;

/** Adam7 as a picture of the pass that each pixel of 8 x 8 belongs to: W3C PNG, section 8.2. */
const PASSES = ["16462646", "77777777", "56565656", "77777777", "36463646", "77777777", "56565656", "77777777"];

/** Filters a row byte by byte as in section 9: the rest after the prediction from the neighbours is subtracted. */
function filtered(row: readonly number[], above: readonly number[], filter: number, pixelBytes: number): number[] {
  return row.map((byte, i) => {
    const [a, b, c] = [row[i - pixelBytes] ?? 0, above[i] ?? 0, above[i - pixelBytes] ?? 0];
    const p = a + b - c;
    const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
    const paeth = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
    return (byte - [0, a, b, (a + b) >> 1, paeth][filter]!) & 255;
  });
}

/** PNGs of any kind, with the picture that they show; written from the words of the standard. */
export const anyPng = fc.record({
  colour: fc.constantFrom<Colour>(0, 2, 3, 4, 6),
  width: fc.integer({ min: 1, max: 11 }),
  height: fc.integer({ min: 1, max: 11 }),
  interlaced: fc.boolean(),
  isClear: fc.boolean(),
  parts: fc.integer({ min: 1, max: 5 }),
  random: fc.infiniteStream(fc.integer({ min: 0, max: 0xffff })),
}).chain((made) => {
  const depths = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] }[made.colour];
  return fc.constantFrom(...depths).map((depth) => writePng({ ...made, depth }));
});

function writePng(
  { colour, depth, width, height, interlaced, isClear, parts, random }: {
    readonly colour: Colour;
    readonly depth: number;
    readonly width: number;
    readonly height: number;
    readonly interlaced: boolean;
    readonly isClear: boolean;
    readonly parts: number;
    readonly random: Iterator<number>;
  },
): { readonly bytes: Uint8Array<ArrayBuffer>; readonly image: DeepImage } {
  const channels = CHANNELS[colour];
  const next = (below: number) => random.next().value! % below;
  const most = 2 ** depth - 1;
  const colours = 1 + next(Math.min(256, 2 ** depth));
  const palette = Array.from({ length: colours }, () => [next(256), next(256), next(256)]);
  const alphas = Array.from({ length: 1 + next(colours) }, () => next(256));
  const pixels = Array.from(
    { length: width * height },
    () => Array.from({ length: channels }, () => next(colour === 3 ? colours : most + 1)),
  );
  const clear = pixels[next(pixels.length)]!;
  const rows: number[] = [];
  for (const pass of interlaced ? [1, 2, 3, 4, 5, 6, 7] : [0]) {
    let above: number[] = [];
    for (let y = 0; y < height; y++) {
      const chosen = Array.from({ length: width }, (_, x) => x)
        .filter((x) => pass === 0 || Number(PASSES[y % 8]![x % 8]) === pass);
      if (chosen.length === 0) continue;
      const bits = chosen.flatMap((x) => pixels[y * width + x]!).map((sample) =>
        sample.toString(2).padStart(depth, "0")
      );
      const row = (bits.join("").match(/.{1,8}/g) ?? []).map((byte) => Number.parseInt(byte.padEnd(8, "0"), 2));
      const filter = next(5);
      rows.push(filter, ...filtered(row, above, filter, Math.ceil(channels * depth / 8)));
      above = row;
    }
  }
  const packed = deflateSync(Uint8Array.from(rows));
  const cuts = Array.from({ length: parts - 1 }, () => next(packed.length + 1)).sort((a, b) => a - b);
  const idat = [0, ...cuts].map((from, i) => ({
    type: "IDAT",
    content: packed.subarray(from, cuts[i] ?? packed.length),
  }));
  const hasClear = isClear && colour !== 4 && colour !== 6;
  const tRNS = colour === 3 ? alphas : clear.flatMap((sample) => [sample >> 8, sample & 255]);
  const bytes = joinChunks([
    headerChunk(width, height, [depth, colour, 0, 0, Number(interlaced)]),
    ...colour === 3 ? [{ type: "PLTE", content: Uint8Array.from(palette.flat()) }] : [],
    ...hasClear ? [{ type: "tRNS", content: Uint8Array.from(tRNS) }] : [],
    ...idat,
    { type: "IEND", content: new Uint8Array() },
  ]);
  const shown = pixels.map((samples) => {
    if (colour === 3) return [...palette[samples[0]!]!, ...hasClear ? [alphas[samples[0]!] ?? 255] : []];
    // Fewer than 8 bits are scaled to 8; 16 stay.
    const opaque = depth === 16 ? most : 255;
    const levels = samples.map((sample) => Math.round(sample * opaque / most));
    return [...levels, ...hasClear ? [samples.join() === clear.join() ? 0 : opaque] : []];
  });
  const data = (depth === 16 ? Uint16Array : Uint8Array).from(shown.flat());
  return { bytes, image: { width, height, channels: shown[0]!.length, data } };
}
