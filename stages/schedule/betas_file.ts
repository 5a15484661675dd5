import { z } from "zod";
import { parseJson, parseRecord } from "../../artifacts/record.ts";
import { FormatError } from "../../formats/format_error.ts";
import { decodeNpy } from "../../formats/npy.ts";

/** The first byte of a .npy file, which no JSON has. */
const NPY = 0x93;

/**
 * Betas as they stand in a file: a list in JSON, or a vector of NumPy. Whether they are any is for `makeTables` to say.
 *
 * @param name of the file, for messages
 * @throws FormatError for another file
 */
export function readBetas(name: string, bytes: Uint8Array): Float64Array {
  if (bytes[0] !== NPY) {
    const text = new TextDecoder().decode(bytes);
    return Float64Array.from(parseRecord(name, parseJson(name, text), z.array(z.number())));
  }
  const { shape, data } = decodeNpy(bytes);
  if (shape.length === 1 && (data instanceof Float32Array || data instanceof Float64Array)) {
    return Float64Array.from(data);
  }
  const got = `${data.constructor.name} of shape (${shape.join(", ")})`;
  throw new FormatError(name, { got, wanted: "float32 or float64 of shape (T,)" });
}
