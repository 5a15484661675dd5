import { decode } from "fast-png";
import { Buffer } from "node:buffer";
// @ts-types="./pngjs.d.ts"
import { PNG } from "pngjs";
import { type DeepImage, MAX_PIXELS, MAX_SIDE } from "./byte_image.ts";
import { FormatError } from "./format_error.ts";
import { inflate } from "./inflate.ts";

const SIGNATURE = "89504e470d0a1a0a";
/** Bytes before a chunk's content, for its length and type, and after it, for its checksum. */
const [BEFORE, AFTER] = [8, 4];
/**
 * Chunks that decoding needs. All others, such as profiles, texts and further frames, are dropped without unpacking.
 */
const USED = ["IHDR", "PLTE", "tRNS", "IDAT", "IEND"];
const HEADER_BYTES = 13;

/** Samples of a pixel by colour type (PNG, section 11.2.1). */
const SAMPLES: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
/** The colour type whose samples are places in a palette. */
const PALETTE = 3;
/**
 * For each pass of an interlaced image: its first column and row, and the distances between its columns and rows
 * (section 8.2).
 */
const ADAM7 = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];
/** Maximum number of bytes of an image's unpacked rows: those of the most pixels with 8 bits of RGB and alpha. */
const MAX_ROW_BYTES = 4 * MAX_PIXELS;
/** The file of a small image may have so much more than its rows. */
const SPARE = 1 << 20;

/**
 * Decodes a PNG in its own depth and channels: 16 bits a sample stay, fewer than 8 are scaled to 8, colours of a
 * palette become RGB, and a transparent colour becomes alpha. The still image of an animation is read. Only pixels are
 * unpacked, and only as many as the header declares.
 *
 * @throws FormatError when the file is not a PNG, is damaged (checksums are verified) or too large.
 */
export function decodePng(bytes: Uint8Array): DeepImage {
  const { chunks, packed, header: { rowBytes, depth, colour, isClear } } = readChunks(bytes);
  const rows = inflate(packed, { form: "zlib", mostBytes: rowBytes, what: "PNG data" });
  if (rows.length !== rowBytes) refuse(`${rows.length} bytes of pixels`, `${rowBytes}, as its header says`);
  const png = Buffer.concat([bytes.subarray(0, BEFORE), ...chunks]);
  const channels = (colour === PALETTE ? 3 : SAMPLES[colour]!) + Number(isClear);
  try {
    // pngjs takes two to three times as long for 16 bits; fast-png leaves a transparent colour to its caller.
    if (depth === 16 && !isClear) {
      const { width, height, data } = decode(png, { checkCrc: true });
      return { width, height, channels, data: data as Uint16Array };
    }
    const { width, height, data } = PNG.sync.read(png, { skipRescale: depth === 16 });
    return { width, height, channels, data: withoutCopies(data, channels) };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return refuse(`a damaged file (${reason})`, "a PNG image", cause);
  }
}

/** Takes the channels that a file has out of RGB and alpha. */
function withoutCopies(data: Uint8Array | Uint16Array, channels: number): Uint8Array | Uint16Array {
  const places = [[0], [0, 3], [0, 1, 2], [0, 1, 2, 3]][channels - 1]!;
  const own = data instanceof Uint16Array ? data : new Uint8Array(data.buffer, data.byteOffset, data.length);
  if (channels === 4) return own;
  const out = new (own instanceof Uint16Array ? Uint16Array : Uint8Array)(own.length / 4 * channels);
  for (let from = 0, to = 0; from < own.length; from += 4) for (const place of places) out[to++] = own[from + place]!;
  return out;
}

/** Returns true if a file begins as a PNG does. */
export function isPng(bytes: Uint8Array): boolean {
  return bytes.subarray(0, BEFORE).toHex() === SIGNATURE;
}

function refuse(got: string, wanted: string, cause?: unknown): never {
  throw new FormatError("PNG", { got, wanted, cause });
}

/** Returns the chunks that are used, the packed pixels, and the facts that the header states. */
function readChunks(bytes: Uint8Array) {
  if (!isPng(bytes)) refuse(`a start of ${bytes.subarray(0, BEFORE).toHex() || "nothing"}`, SIGNATURE);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: Uint8Array[] = [];
  const packed: Uint8Array[] = [];
  let header: ReturnType<typeof readHeader> | undefined;
  let [isClear, size] = [false, 0];
  for (let at = BEFORE, type = ""; type !== "IEND";) {
    if (at + BEFORE + AFTER > bytes.length) refuse("a file that is cut off", "chunks up to IEND");
    const end = at + BEFORE + view.getUint32(at);
    type = String.fromCharCode(...bytes.subarray(at + 4, at + BEFORE));
    if (end + AFTER > bytes.length) refuse(`chunk ${type} of ${bytes.length - at} bytes`, `${end + AFTER - at}`);
    const content = bytes.subarray(at + BEFORE, end);
    if ((type === "IHDR") !== (header === undefined)) refuse(`chunk ${type}`, "IHDR first, and once");
    header ??= readHeader(content);
    // Images with a channel of alpha have no transparent colour besides.
    isClear ||= type === "tRNS" && header.colour <= PALETTE;
    if (type === "IDAT") {
      packed.push(content);
      // Deflate adds little to what it cannot pack.
      if ((size += content.length) > 2 * header.rowBytes + SPARE) {
        refuse(`${size} packed bytes`, `those of ${header.rowBytes}`);
      }
    }
    if (USED.includes(type)) chunks.push(bytes.subarray(at, end + AFTER));
    at = end + AFTER;
  }
  return { chunks, packed: Buffer.concat(packed), header: { ...header!, isClear } };
}

/** Returns depth, colour type, and the bytes of all unpacked rows, each with one byte before it for its filter. */
function readHeader(header: Uint8Array) {
  if (header.length !== HEADER_BYTES) refuse(`a header of ${header.length} bytes`, `${HEADER_BYTES}`);
  const view = new DataView(header.buffer, header.byteOffset);
  const [width, height, depth, colour] = [view.getUint32(0), view.getUint32(4), header[8]!, header[9]!];
  const bits = depth * (SAMPLES[colour] ?? refuse(`colour type ${colour}`, Object.keys(SAMPLES).join(", ")));
  const passes = header[HEADER_BYTES - 1] === 1 ? ADAM7 : [[0, 0, 1, 1]];
  const rowBytes = passes.reduce((sum, [left, top, across, down]) => {
    const [columns, rows] = [Math.ceil((width - left!) / across!), Math.ceil((height - top!) / down!)];
    return columns > 0 && rows > 0 ? sum + rows * (1 + Math.ceil(columns * bits / 8)) : sum;
  }, 0);
  const pixels = Math.max(width, height) > MAX_SIDE ? Infinity : width * height;
  if (pixels >= 1 && pixels <= MAX_PIXELS && rowBytes <= MAX_ROW_BYTES) return { rowBytes, depth, colour };
  const wanted = `1 to ${MAX_PIXELS} pixels, at most ${MAX_SIDE} a side, in at most ${MAX_ROW_BYTES} bytes`;
  throw new FormatError("PNG size", { got: `${width} x ${height} of ${bits} bits`, wanted });
}
