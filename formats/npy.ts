/**
 * Arrays as NumPy saves them: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, version 1.0. Little
 * endian and row-major, which is what our arrays are.
 */
import { FormatError } from "./format_error.ts";

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const ALIGNMENT = 64;

const DESCRIPTORS = { "|u1": Uint8Array, "<i4": Int32Array, "<f4": Float32Array, "<f8": Float64Array } as const;
type Descriptor = keyof typeof DESCRIPTORS;

export type NpyData = Uint8Array | Int32Array | Float32Array | Float64Array;

export interface NpyArray {
  readonly shape: readonly number[];
  readonly data: NpyData;
}

/** @throws RangeError when the shape is not the data's */
export function encodeNpy({ shape, data }: NpyArray): Uint8Array<ArrayBuffer> {
  const count = shape.reduce((product, length) => product * length, 1);
  if (count !== data.length) throw new RangeError(`npy: got ${data.length} numbers, wanted those of shape [${shape}]`);
  const descriptor = Object.entries(DESCRIPTORS).find(([, type]) => data instanceof type)![0];
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const text = `{'descr': '${descriptor}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const bare = MAGIC.length + 4 + text.length + 1;
  const padded = `${text}${" ".repeat((ALIGNMENT - bare % ALIGNMENT) % ALIGNMENT)}\n`;
  const bytes = new Uint8Array(MAGIC.length + 4 + padded.length + data.byteLength);
  bytes.set([...MAGIC, 1, 0, padded.length & 0xff, padded.length >> 8]);
  bytes.set(new TextEncoder().encode(padded), MAGIC.length + 4);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), MAGIC.length + 4 + padded.length);
  return bytes;
}

/** @throws FormatError when the bytes are no npy file, or one of another type or order */
export function decodeNpy(bytes: Uint8Array): NpyArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw new FormatError("npy file", { got: "other first bytes", wanted: "\\x93NUMPY" });
  }
  const wide = bytes[6]! >= 2;
  const start = wide ? 12 : 10;
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  if (start + length > bytes.length) {
    throw new FormatError("npy header", { got: `${bytes.length - start} bytes`, wanted: `${length}` });
  }
  const header = new TextDecoder("latin1").decode(bytes.subarray(start, start + length));
  const descriptor = /'descr':\s*'([^']+)'/.exec(header)?.[1];
  const order = /'fortran_order':\s*(True|False)/.exec(header)?.[1];
  const dimensions = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1];
  if (descriptor === undefined || order === undefined || dimensions === undefined) {
    throw new FormatError("npy header", { got: header.trim(), wanted: "descr, fortran_order and shape" });
  }
  if (!Object.hasOwn(DESCRIPTORS, descriptor)) {
    throw new FormatError("npy type", { got: descriptor, wanted: `one of ${Object.keys(DESCRIPTORS).join(", ")}` });
  }
  if (order === "True") throw new FormatError("npy order", { got: "columns first", wanted: "rows first" });
  const shape = dimensions.split(",").map((part) => part.trim()).filter(Boolean).map(Number);
  if (shape.some((side) => !Number.isSafeInteger(side) || side < 0)) {
    throw new FormatError("npy shape", { got: `(${dimensions})`, wanted: "lengths of axes" });
  }
  const type = DESCRIPTORS[descriptor as Descriptor];
  const count = shape.reduce((product, side) => product * side, 1);
  const body = bytes.slice(start + length, start + length + count * type.BYTES_PER_ELEMENT);
  if (body.length !== count * type.BYTES_PER_ELEMENT) {
    throw new FormatError("npy numbers", { got: `${body.length} bytes`, wanted: `${count * type.BYTES_PER_ELEMENT}` });
  }
  return { shape, data: new type(body.buffer) };
}
