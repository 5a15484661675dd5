/**
 * Arrays in NumPy's file format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, versions 1.0
 * to 3.0. * Little-endian and row-major, as noiseline's arrays are.
 */
import { refuse } from "./format_error.ts";

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const ALIGNMENT = 64;
/** A field of the header, which is a dictionary as Python writes it. */
const FIELD = /^\s*'(\w+)':\s*(?:'([^']*)'|(True|False)|\(([\d, ]*)\))\s*(?:,|(?=\}))/;

const DESCRIPTORS = {
  "|u1": Uint8Array,
  "<u2": Uint16Array,
  "<i4": Int32Array,
  "<f4": Float32Array,
  "<f8": Float64Array,
} as const;
type Descriptor = keyof typeof DESCRIPTORS;

export type NpyData = Uint8Array | Uint16Array | Int32Array | Float32Array | Float64Array;

export interface NpyArray {
  readonly shape: readonly number[];
  readonly data: NpyData;
}

export type NpyHeader = Readonly<ReturnType<typeof decodeNpyHeader<(typeof DESCRIPTORS)[Descriptor]>>>;

/** Returns the bytes that come before the numbers, so that the numbers can be written as they come. */
export function encodeNpyHeader(shape: readonly number[], type: NpyHeader["type"]): Uint8Array<ArrayBuffer> {
  const descriptor = Object.entries(DESCRIPTORS).find(([, each]) => each === type)![0];
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const text = `{'descr': '${descriptor}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const bare = MAGIC.length + 4 + text.length + 1;
  const padded = `${text}${" ".repeat((ALIGNMENT - bare % ALIGNMENT) % ALIGNMENT)}\n`;
  const bytes = new Uint8Array(MAGIC.length + 4 + padded.length);
  bytes.set([...MAGIC, 1, 0, padded.length & 0xff, padded.length >> 8]);
  bytes.set(new TextEncoder().encode(padded), MAGIC.length + 4);
  return bytes;
}

/** @param array as many numbers as its shape says */
export function encodeNpy({ shape, data }: NpyArray): Uint8Array<ArrayBuffer> {
  const header = encodeNpyHeader(shape, data.constructor as NpyHeader["type"]);
  const bytes = new Uint8Array(header.length + data.byteLength);
  bytes.set(header);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), header.length);
  return bytes;
}

/**
 * @param bytes the beginning of a file, or all of it @param types those that are accepted, by descriptor
 * @returns the shape, the type, and as `length` the number of bytes before the first number
 * @throws FormatError when the bytes are not an npy file, or one of an unsupported type or order
 */
export function decodeNpyHeader<T = (typeof DESCRIPTORS)[Descriptor]>(
  bytes: Uint8Array,
  types: Readonly<Record<string, T>> = DESCRIPTORS as unknown as Record<string, T>,
) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    refuse("npy file", "other first bytes", "\\x93NUMPY");
  }
  const [major, minor] = [bytes[6]!, bytes[7]!];
  if (major < 1 || major > 3 || minor !== 0) refuse("npy version", `${major}.${minor}`, "1.0, 2.0 or 3.0");
  const wide = major >= 2;
  const start = wide ? 12 : 10;
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  if (start + length > bytes.length) refuse("npy header", `${bytes.length - start} bytes`, `${length}`);
  const header = new TextDecoder("latin1").decode(bytes.subarray(start, start + length));
  const fields: [name: string, value: string][] = [];
  let rest = header.replace(/^\{/, "");
  for (let found; (found = FIELD.exec(rest)) !== null; rest = rest.slice(found[0].length)) {
    fields.push([found[1]!, found.slice(2).find((value) => value !== undefined)!]);
  }
  const { descr: descriptor, fortran_order: order, shape: dimensions } = Object.fromEntries(fields);
  const isWhole = header.startsWith("{") && /^\s*\}\s*$/.test(rest) && fields.length === 3;
  if (!isWhole || descriptor === undefined || order === undefined || dimensions === undefined) {
    refuse("npy header", header.trim(), "descr, fortran_order and shape, each once");
  }
  if (!Object.hasOwn(types, descriptor)) {
    const known = Object.keys(types);
    refuse("npy type", descriptor, `one of ${known.join(", ")}; convert it, as a.astype('${known.at(-1)}') does`);
  }
  if (order === "True") refuse("npy order", "columns first", "rows first; save np.ascontiguousarray(a)");
  const shape: readonly number[] = dimensions.split(",").map((part) => part.trim()).filter(Boolean).map(Number);
  if (shape.some((side) => !Number.isSafeInteger(side) || side < 0)) {
    refuse("npy shape", `(${dimensions})`, "lengths of axes");
  }
  return { shape, type: types[descriptor]!, length: start + length };
}

/** @throws FormatError when the bytes are not an npy file, or one of an unsupported type or order */
export function decodeNpy(bytes: Uint8Array): NpyArray {
  const { shape, type, length } = decodeNpyHeader(bytes);
  const count = shape.reduce((product, side) => product * side, 1);
  // A copy, which begins at an address that is aligned for the numbers.
  const body = new Uint8Array(bytes.subarray(length));
  if (body.length !== count * type.BYTES_PER_ELEMENT) {
    refuse("npy numbers", `${body.length} bytes`, `${count * type.BYTES_PER_ELEMENT}`);
  }
  return { shape, data: new type(body.buffer) };
}
