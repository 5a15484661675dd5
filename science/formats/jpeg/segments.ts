import { MAX_PIXELS } from "../byte_image.ts";
import { FormatError } from "../format_error.ts";

const MARKER = 0xff;
const [START_OF_IMAGE, END_OF_IMAGE, START_OF_SCAN, APP1] = [0xd8, 0xd9, 0xda, 0xe1];
/**
 * Sequential, extended sequential and progressive, all with Huffman coding. Other kinds are rare outside of test
 * suites.
 */
const FRAMES = [0xc0, 0xc1, 0xc2];
/** True for the markers that no length follows: restart markers and TEM, which has no meaning. */
const isBare = (marker: number) => marker >= 0xd0 && marker <= 0xd7 || marker === 0x01;
const isFrame = (marker: number) => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

/** Decoding a scan goes over the whole image. Encoders write about ten scans of a progressive image. */
const MAX_SCANS = 100;
const EXIF = "Exif\0";

export function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === MARKER && bytes[1] === START_OF_IMAGE && bytes[2] === MARKER;
}

function refuse(got: string, wanted = "a JPEG image, baseline or progressive"): never {
  throw new FormatError("JPEG", { got, wanted });
}

/**
 * Reads the segments of a JPEG (ITU-T T.81, annex B) before anything is decoded, since they tell what decoding will
 * take.
 *
 * @throws FormatError when the file is not a JPEG, is cut off, of an unusual kind, or would take more than its size
 * allows
 */
export function readSegments(bytes: Uint8Array) {
  if (!isJpeg(bytes)) refuse("a file that does not start like one");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let frame: { readonly width: number; readonly height: number; readonly components: number } | undefined;
  let exif = new Uint8Array();
  let scans = 0;
  // The bits that are still missing of each coefficient that scans give, by component and place.
  const missing = new Map<number, number>();
  for (let at = 2; at + 1 < bytes.length;) {
    const marker = bytes[at + 1]!;
    // Between segments there may only be padding; in a scan, any bytes that are not a marker.
    if (bytes[at] !== MARKER || marker === MARKER || marker === 0 || isBare(marker)) {
      at++;
      continue;
    }
    if (marker === END_OF_IMAGE) {
      // Decoders guess what is left out, each in its own way.
      const isWhole = missing.size === 64 * (frame?.components ?? 0) && missing.values().every((bits) => bits === 0);
      return frame && isWhole ? { ...frame, exif } : refuse(scans > 0 ? "scans that leave some of it out" : "no image");
    }
    const end = at + 2 + (at + 4 <= bytes.length ? view.getUint16(at + 2) : Infinity);
    if (end > bytes.length) break;
    const content = bytes.subarray(at + 4, end) as Uint8Array<ArrayBuffer>;
    if (marker === APP1 && exif.length === 0 && new TextDecoder("latin1").decode(content.subarray(0, 5)) === EXIF) {
      exif = content.subarray(EXIF.length);
    }
    if (isFrame(marker)) {
      if (frame !== undefined) refuse("two images in one");
      frame = readFrame(marker, content, bytes.length);
    }
    if (marker === START_OF_SCAN) {
      if (++scans > MAX_SCANS) refuse("a scan more", `at most ${MAX_SCANS} scans`);
      const n = 1 + 2 * content[0]!;
      const [from = 0, to = 0, bits = 0] = content.subarray(n);
      for (let i = 1; i < n; i += 2) for (let k = from; k <= to; k++) missing.set(content[i]! << 8 | k, bits & 15);
    }
    at = Math.max(end, at + 4);
  }
  return refuse("a file that is cut off");
}

function readFrame(marker: number, content: Uint8Array, fileBytes: number) {
  if (content.length < 6) refuse("a header that is cut off");
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const [bits, height, width, components] = [content[0]!, view.getUint16(1), view.getUint16(3), content[5]!];
  if (!FRAMES.includes(marker) || bits !== 8) refuse(`coding ${marker - 0xc0} of ${bits} bits`);
  if (![1, 3, 4].includes(components)) refuse(`${components} channels`, "grey, RGB or CMYK");
  const pixels = width * height;
  if (pixels < 1 || pixels > MAX_PIXELS) refuse(`${width} x ${height} pixels`, `1 to ${MAX_PIXELS}`);
  // Each block of 8 x 8 pixels has at least one code, and a code has at least one bit.
  const leastBytes = Math.ceil(width / 8) * Math.ceil(height / 8) / 8;
  if (fileBytes < leastBytes) refuse(`${fileBytes} bytes for ${width} x ${height} pixels`, `at least ${leastBytes}`);
  return { width, height, components };
}
