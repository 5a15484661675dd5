import { Buffer } from "node:buffer";
// @ts-types="./pngjs.d.ts"
import { PNG } from "pngjs";
import { type ByteImage, MAX_PIXELS, MAX_SIDE } from "./byte_image.ts";
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
/**
 * For each pass of an interlaced image: its first column and row, and the distances between its columns and rows
 * (section 8.2).
 */
const ADAM7 = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];
/** Maximum number of bytes of an image's unpacked rows: those of the most pixels with 8 bits of RGB and alpha. */
const MAX_ROW_BYTES = 4 * MAX_PIXELS;

/**
 * Decodes a PNG to RGB and alpha; 16 bits a sample are rounded to 8; 1, 2 and 4 bits are scaled to 8. The still image
 * of an animation is read. Only pixels are unpacked, and only as many as the header declares.
 *
 * @throws FormatError when the file is not a PNG, is damaged (checksums are verified) or too large.
 */
export function decodePng(bytes: Uint8Array): ByteImage {
  const { chunks, packed, rowBytes } = readChunks(bytes);
  const rows = inflate(packed, { form: "zlib", mostBytes: rowBytes, what: "PNG data" });
  if (rows.length !== rowBytes) refuse(`${rows.length} bytes of pixels`, `${rowBytes}, as its header says`);
  try {
    const { width, height, data } = PNG.sync.read(Buffer.concat([bytes.subarray(0, BEFORE), ...chunks]));
    return { width, height, channels: 4, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return refuse(`a damaged file (${reason})`, "a PNG image", cause);
  }
}

/** Returns true if a file begins as a PNG does. */
export function isPng(bytes: Uint8Array): boolean {
  return bytes.subarray(0, BEFORE).toHex() === SIGNATURE;
}

function refuse(got: string, wanted: string, cause?: unknown): never {
  throw new FormatError("PNG", { got, wanted, cause });
}

/** Returns the chunks that are used, the packed pixels, and the number of bytes that these must unpack to. */
function readChunks(bytes: Uint8Array) {
  if (!isPng(bytes)) refuse(`a start of ${bytes.subarray(0, BEFORE).toHex() || "nothing"}`, SIGNATURE);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: Uint8Array[] = [];
  const packed: Uint8Array[] = [];
  let rowBytes: number | undefined;
  for (let at = BEFORE, type = ""; type !== "IEND";) {
    if (at + BEFORE + AFTER > bytes.length) refuse("a file that is cut off", "chunks up to IEND");
    const end = at + BEFORE + view.getUint32(at);
    type = String.fromCharCode(...bytes.subarray(at + 4, at + BEFORE));
    if (end + AFTER > bytes.length) refuse(`chunk ${type} of ${bytes.length - at} bytes`, `${end + AFTER - at}`);
    const content = bytes.subarray(at + BEFORE, end);
    if ((type === "IHDR") !== (rowBytes === undefined)) refuse(`chunk ${type}`, "IHDR first, and once");
    rowBytes ??= rowBytesOf(content);
    if (type === "IDAT") packed.push(content);
    if (USED.includes(type)) chunks.push(bytes.subarray(at, end + AFTER));
    at = end + AFTER;
  }
  return { chunks, packed: Buffer.concat(packed), rowBytes: rowBytes! };
}

/** Returns the size in bytes of all unpacked rows, each with one byte before it for its filter. */
function rowBytesOf(header: Uint8Array): number {
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
  if (pixels >= 1 && pixels <= MAX_PIXELS && rowBytes <= MAX_ROW_BYTES) return rowBytes;
  const wanted = `1 to ${MAX_PIXELS} pixels, at most ${MAX_SIDE} a side, in at most ${MAX_ROW_BYTES} bytes`;
  throw new FormatError("PNG size", { got: `${width} x ${height} of ${bits} bits`, wanted });
}
