import { decode } from "jpeg-js";
import type { ByteImage } from "./byte_image.ts";
import { readOrientation, turnUpright } from "./exif_orientation.ts";
import { FormatError } from "./format_error.ts";

/** Larger images are refused before memory is taken for them. */
export const MAX_JPEG_MEGAPIXELS = 100;
/** What the decoder may take: a hundred megapixels with all of their coefficients. */
const MAX_DECODER_MEGABYTES = 4_096;

const MARKER = 0xff;
const END_OF_IMAGE = 0xd9;

export function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === MARKER && bytes[1] === 0xd8 && bytes[2] === MARKER;
}

/**
 * Read a JPEG, baseline or progressive, as RGB, upright as its EXIF orientation says. Grey becomes RGB with three equal
 * channels; CMYK is converted without a colour profile.
 *
 * @throws FormatError when it is not a JPEG, is damaged, cut off or too large
 */
export function decodeJpeg(bytes: Uint8Array): ByteImage {
  const wanted = "a JPEG image";
  if (!isJpeg(bytes)) throw new FormatError("JPEG", { got: "a file that does not start like one", wanted });
  let decoded;
  try {
    decoded = decode(bytes, {
      useTArray: true,
      formatAsRGBA: false,
      tolerantDecoding: false,
      maxResolutionInMP: MAX_JPEG_MEGAPIXELS,
      maxMemoryUsageInMB: MAX_DECODER_MEGABYTES,
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError("JPEG", { got: `a damaged or unusual file (${reason})`, wanted, cause });
  }
  // The decoder takes what lacks at the end for grey.
  if (!endsProperly(bytes)) throw new FormatError("JPEG", { got: "a file that is cut off", wanted });
  // Its types leave out the EXIF segment.
  const { width, height, data, exifBuffer = new Uint8Array() } = decoded as typeof decoded & {
    exifBuffer?: Uint8Array;
  };
  return turnUpright({ width, height, channels: 3, data }, readOrientation(exifBuffer));
}

/** Whether the end marker follows the last scan. Cameras append previews and notes, so it need not be the last bytes. */
function endsProperly(bytes: Uint8Array): boolean {
  let scan = -1;
  for (let at = 0; at + 1 < bytes.length; at++) {
    if (bytes[at] !== MARKER) continue;
    if (bytes[at + 1] === 0xda) scan = at;
    if (bytes[at + 1] === END_OF_IMAGE && scan >= 0) return true;
  }
  return false;
}
