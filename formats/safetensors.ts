import { FormatError } from "./format_error.ts";
import { readAt } from "./read_at.ts";
import {
  DTYPES,
  type HeaderEntry,
  parseHeader,
  type SafetensorsArray,
  type SafetensorsDType,
} from "./safetensors_header.ts";

/** One tensor of a safetensors file, row-major. */
export interface SafetensorsTensor {
  readonly shape: readonly number[];
  /** Its type is the dtype's. */
  readonly data: SafetensorsArray;
}

/** The format's own limit (huggingface/safetensors): a longer header is taken for a broken file. */
const MAX_HEADER_BYTES = 100_000_000;

const LENGTH_BYTES = 8;

/**
 * Write a safetensors file (format of huggingface/safetensors): 8 bytes of little-endian header length, a JSON header
 * padded with spaces to a multiple of 8, and the tensors without gaps.
 *
 * Equal contents give equal bytes: metadata by name; tensors by element size, largest first, so that each is aligned,
 * then by name (code units).
 *
 * @throws RangeError for a name that the format reserves, or a shape that is not the data's
 */
export function encodeSafetensors(file: {
  readonly tensors: Readonly<Record<string, SafetensorsTensor>>;
  readonly metadata?: Readonly<Record<string, string>>;
}): Uint8Array<ArrayBuffer> {
  // Names by code units, not by localeCompare: the order must not depend on the machine.
  const entries = Object.entries(file.tensors).sort(([a, x], [b, y]) =>
    y.data.BYTES_PER_ELEMENT - x.data.BYTES_PER_ELEMENT || (a < b ? -1 : 1)
  );
  for (const [name, tensor] of entries) checkTensor(name, tensor);

  // Object.fromEntries defines own properties, also for names such as __proto__.
  const metadata = Object.entries(file.metadata ?? {}).sort(([a], [b]) => a < b ? -1 : 1);
  let offset = 0;
  const header = [
    ...(metadata.length > 0 ? [member("__metadata__", Object.fromEntries(metadata))] : []),
    ...entries.map(([name, { shape, data }]) => {
      const begin = offset;
      offset += data.byteLength;
      return member(name, { dtype: dtypeOf(data), shape, data_offsets: [begin, offset] });
    }),
  ];
  // Members are joined as text: an object would move names that look like integers to the front.
  const json = new TextEncoder().encode(`{${header.join(",")}}`);
  const headerBytes = Math.ceil(json.length / 8) * 8;

  const bytes = new Uint8Array(LENGTH_BYTES + headerBytes + offset);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true);
  bytes.set(json, LENGTH_BYTES);
  bytes.fill(0x20, LENGTH_BYTES + json.length, LENGTH_BYTES + headerBytes);
  let position = LENGTH_BYTES + headerBytes;
  for (const [, { data }] of entries) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), position);
    position += data.byteLength;
  }
  return bytes;
}

/**
 * Read a safetensors file. The tensors are copies, in the order of their bytes.
 *
 * @throws FormatError when the file is cut off or too long, the header is not what the format says, or tensors overlap
 * or leave gaps.
 */
export function decodeSafetensors(bytes: Uint8Array) {
  const dataStart = LENGTH_BYTES + headerBytes(bytes, bytes.length);
  const { entries, metadata } = parseHeader(bytes.subarray(LENGTH_BYTES, dataStart), bytes.length - dataStart);
  // A copy starts at an aligned address whatever the header's length was.
  const copy = ({ begin, end }: HeaderEntry) => bytes.slice(dataStart + begin, dataStart + end);
  const tensors = entries.map((entry) => [entry.name, decodeTensor(copy(entry), entry)] as const);
  return { tensors: Object.fromEntries(tensors), metadata };
}

/**
 * A file whose tensors are read one by one: memory holds what is asked for, once.
 * @throws FormatError when the file is not what `decodeSafetensors` reads
 */
export async function openSafetensors(path: string) {
  const file = await Deno.open(path);
  try {
    const { size } = await file.stat();
    const head = new Uint8Array(Math.min(LENGTH_BYTES, size));
    await readAt(file, 0, head);
    const start = LENGTH_BYTES + headerBytes(head, size);
    const header = new Uint8Array(start - LENGTH_BYTES);
    await readAt(file, LENGTH_BYTES, header);
    const { entries } = parseHeader(header, size - start);
    return {
      entries,
      async read(entry: HeaderEntry) {
        const bytes = new Uint8Array(entry.end - entry.begin);
        await readAt(file, start + entry.begin, bytes);
        return decodeTensor(bytes, entry);
      },
      [Symbol.dispose]: () => file.close(),
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

/**
 * Length of the header.
 *
 * @param head the beginning of the file, at least its first 8 bytes @param size of the whole file
 */
function headerBytes(head: Uint8Array, size: number): number {
  if (size < LENGTH_BYTES) {
    throw new FormatError("safetensors file", { got: `${size} bytes`, wanted: "at least 8, the header's length" });
  }
  const declared = new DataView(head.buffer, head.byteOffset, head.byteLength).getBigUint64(0, true);
  const available = size - LENGTH_BYTES;
  if (declared > BigInt(MAX_HEADER_BYTES)) {
    throw new FormatError("safetensors header length", { got: `${declared}`, wanted: `at most ${MAX_HEADER_BYTES}` });
  }
  if (declared > BigInt(available)) {
    throw new FormatError("safetensors header", {
      got: `${available} bytes after the length`,
      wanted: `${declared}: the file is cut off`,
    });
  }
  return Number(declared);
}

/** The bytes of one tensor, which become its data. */
function decodeTensor(bytes: Uint8Array<ArrayBuffer>, { dtype, shape }: HeaderEntry): SafetensorsTensor {
  return { shape, data: new DTYPES[dtype](bytes.buffer) };
}

/** The numbers of a tensor that must be float32. @throws FormatError about `what` for one of another type */
export function floatsOf(what: string, { data }: SafetensorsTensor): Float32Array<ArrayBuffer> {
  if (data instanceof Float32Array) return data as Float32Array<ArrayBuffer>;
  throw new FormatError(what, { got: dtypeOf(data), wanted: "F32" });
}

/** What the format calls the elements of an array. */
function dtypeOf(data: SafetensorsArray): SafetensorsDType {
  return (Object.keys(DTYPES) as SafetensorsDType[]).find((each) => data instanceof DTYPES[each])!;
}

function checkTensor(name: string, { shape, data }: SafetensorsTensor): void {
  if (name === "__metadata__") throw new RangeError("Tensor name: got __metadata__, which the format reserves");
  const size = shape.reduce((product, length) => product * length, 1);
  if (!shape.every((length) => Number.isInteger(length) && length >= 0) || size !== data.length) {
    throw new RangeError(`Tensor ${name}: got ${data.length} elements, wanted those of shape [${shape}]`);
  }
}

function member(name: string, value: unknown): string {
  return `${JSON.stringify(name)}:${JSON.stringify(value)}`;
}
