import { refuse, shown } from "./format_error.ts";

/** The supported dtypes. Typed arrays and the format are both little-endian wherever Deno runs. */
export const DTYPES = {
  F32: Float32Array,
  F64: Float64Array,
  I32: Int32Array,
  I64: BigInt64Array,
  U16: Uint16Array,
  U8: Uint8Array,
} as const;

export type SafetensorsDType = keyof typeof DTYPES;

export type SafetensorsArray = InstanceType<typeof DTYPES[SafetensorsDType]>;

/** One tensor of a safetensors file, row-major. */
export interface SafetensorsTensor {
  readonly shape: readonly number[];
  /** A typed array, whose type gives the dtype. */
  readonly data: SafetensorsArray;
}

interface SafetensorsContent {
  readonly tensors: Readonly<Record<string, SafetensorsTensor>>;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** The format's own limit (huggingface/safetensors): a file with a longer header is taken as broken. */
const MAX_HEADER_BYTES = 100_000_000;

const LENGTH_BYTES = 8;

/**
 * Encodes a safetensors file (format of huggingface/safetensors): 8 bytes of little-endian header length, a JSON header
 * padded with spaces to a multiple of 8, and the tensors without gaps.
 *
 * Equal contents give equal bytes: metadata is sorted by name; tensors by element size, largest first, so that each is
 * aligned, then by name (code units).
 *
 * @returns the parts of the file, one after another: the header, and views of the tensors. Its bytes in one piece would
 * be as much memory again
 * @throws RangeError for a name that the format reserves, or a shape that does not match the data
 */
export function encodeSafetensors(file: SafetensorsContent): Uint8Array[] {
  // Names are sorted by code units, not by localeCompare: the order must not depend on the machine.
  const entries = Object.entries(file.tensors).sort(([a, x], [b, y]) =>
    y.data.BYTES_PER_ELEMENT - x.data.BYTES_PER_ELEMENT || (a < b ? -1 : 1)
  );
  for (const [name, tensor] of entries) checkTensor(name, tensor);
  const described = entries.map(([name, { shape, data }]) => ({ name, shape, dtype: dtypeOf(data) }));
  const header = encodeSafetensorsHeader(described, { metadata: file.metadata ?? {} });
  return [header, ...entries.map(([, { data }]) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength))];
}

/** A tensor without its numbers. */
interface TensorEntry {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
}

/**
 * Encodes what comes before the tensors of a file, for numbers that are written as they come.
 *
 * @param tensors in the order of their bytes
 * @param options.minBytes minimum length of the result, which ends in spaces if it would be shorter
 */
export function encodeSafetensorsHeader(
  tensors: readonly TensorEntry[],
  { metadata = {}, minBytes = 0 }: { readonly metadata?: Readonly<Record<string, string>>; readonly minBytes?: number },
): Uint8Array<ArrayBuffer> {
  // Object.fromEntries defines own properties, also for names such as __proto__.
  const sorted = Object.entries(metadata).sort(([a], [b]) => a < b ? -1 : 1);
  let offset = 0;
  const members = [
    ...(sorted.length > 0 ? [member("__metadata__", Object.fromEntries(sorted))] : []),
    ...tensors.map(({ name, shape, dtype }) => {
      const begin = offset;
      offset += bytesOf(dtype, shape);
      return member(name, { dtype, shape, data_offsets: [begin, offset] });
    }),
  ];
  // Members are joined as text, since an object would move names that look like integers to the front.
  const json = new TextEncoder().encode(`{${members.join(",")}}`);
  const bytes = new Uint8Array(LENGTH_BYTES + Math.ceil(Math.max(json.length, minBytes - LENGTH_BYTES) / 8) * 8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - LENGTH_BYTES), true);
  bytes.fill(0x20, LENGTH_BYTES);
  bytes.set(json, LENGTH_BYTES);
  return bytes;
}

function bytesOf(dtype: SafetensorsDType, shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, DTYPES[dtype].BYTES_PER_ELEMENT);
}

/**
 * Decodes a safetensors file. The tensors are in the order of their bytes. A tensor whose first number has an aligned
 * address, as all have in noiseline's own files, is a view of the file's bytes: memory holds its numbers once.
 *
 * @throws FormatError when the file is cut off or too long, the header is not what the format says, or tensors overlap
 * or leave gaps.
 */
export function decodeSafetensors(bytes: Uint8Array) {
  const { entries, metadata, dataStart } = decodeSafetensorsHeader(bytes, bytes.length);
  const tensors = entries.map(({ name, dtype, shape, begin, end }) => {
    const [type, own] = [DTYPES[dtype], bytes.subarray(dataStart + begin, dataStart + end)];
    const { buffer, byteOffset } = own.byteOffset % type.BYTES_PER_ELEMENT === 0 ? own : own.slice();
    const data = new type(buffer as ArrayBuffer, byteOffset, own.length / type.BYTES_PER_ELEMENT);
    return [name, { shape, data } satisfies SafetensorsTensor] as const;
  });
  return { tensors: Object.fromEntries(tensors), metadata };
}

/**
 * Decodes the beginning of a file.
 *
 * @param bytes the beginning, with the whole header @param fileBytes length of the file
 * @returns the tensors in the order of their bytes, which begin and end at offsets from `dataStart`
 * @throws FormatError as `decodeSafetensors`
 */
export function decodeSafetensorsHeader(bytes: Uint8Array, fileBytes: number) {
  const dataStart = LENGTH_BYTES + headerLength(bytes);
  return { ...parseHeader(bytes.subarray(LENGTH_BYTES, dataStart), fileBytes - dataStart), dataStart };
}

/** @throws FormatError for a file that is shorter than its header, or whose header is too long */
function headerLength(bytes: Uint8Array): number {
  const available = bytes.length - LENGTH_BYTES;
  if (available < 0) refuse("safetensors file", `${bytes.length} bytes`, "at least 8, the header's length");
  const declared = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0, true);
  if (declared > BigInt(MAX_HEADER_BYTES)) {
    refuse("safetensors header length", `${declared}`, `at most ${MAX_HEADER_BYTES}`);
  }
  if (declared > BigInt(available)) {
    refuse("safetensors header", `${available} bytes after the length`, `${declared}: the file is cut off`);
  }
  return Number(declared);
}

/**
 * Returns the numbers of a tensor that must be float32.
 * @throws FormatError about `what` for a tensor of another type
 */
export function floatsOf(what: string, { data }: SafetensorsTensor): Float32Array<ArrayBuffer> {
  if (data instanceof Float32Array) return data as Float32Array<ArrayBuffer>;
  refuse(what, dtypeOf(data), "F32");
}

/** Returns the format's name for the type of an array's elements. */
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

/**
 * Parses and checks a safetensors header.
 *
 * @param dataBytes length of the file after the header, which the tensors must fill exactly
 * @returns the metadata, and the tensors in the order of their bytes
 * @throws FormatError
 */
function parseHeader(bytes: Uint8Array, dataBytes: number) {
  const root = parseObject(bytes);
  const tensors = Object.entries(root).filter(([name]) => name !== "__metadata__");
  const entries = tensors.map(([name, value]) => parseEntry(name, value));
  // An empty tensor has the same offset as the tensor after it, and comes before it.
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);

  let position = 0;
  for (const { name, begin, end } of entries) {
    const wanted = `${position}: tensors must not ${begin < position ? "overlap" : "leave a gap"}`;
    if (begin !== position) refuse(`safetensors tensor ${JSON.stringify(name)}`, `offset ${begin}`, wanted);
    position = end;
  }
  const wanted = `${position}: the file ${position > dataBytes ? "is cut off" : "has bytes after the last tensor"}`;
  if (position !== dataBytes) refuse("safetensors data", `${dataBytes} bytes`, wanted);
  return { entries, metadata: parseMetadata(root["__metadata__"]) };
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  let root: unknown;
  try {
    root = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    refuse("safetensors header", "bytes that are not JSON", "a JSON object", cause);
  }
  if (!isObject(root)) refuse("safetensors header", shown(root), "a JSON object");
  return root;
}

function parseMetadata(value: unknown = {}): Record<string, string> {
  if (!isObject(value) || !Object.values(value).every((text) => typeof text === "string")) {
    refuse("safetensors __metadata__", shown(value), "an object of strings");
  }
  return value as Record<string, string>;
}

function parseEntry(name: string, value: unknown) {
  const what = `safetensors tensor ${JSON.stringify(name)}`;
  if (!isObject(value)) refuse(what, shown(value), "an object");
  const { dtype, shape, data_offsets: offsets, ...rest } = value;
  const extra = Object.keys(rest)[0];
  if (extra !== undefined) refuse(what, `key ${JSON.stringify(extra)}`, "dtype, shape and data_offsets only");
  if (!isDType(dtype)) refuse(`${what} dtype`, shown(dtype), Object.keys(DTYPES).join(", "));
  if (!isSizes(shape)) refuse(`${what} shape`, shown(shape), "integers >= 0");
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    refuse(`${what} data_offsets`, shown(offsets), "[begin, end] with begin <= end");
  }
  const [begin, end] = offsets as [number, number];
  const bytes = bytesOf(dtype, shape);
  if (bytes !== end - begin) {
    refuse(`${what} data_offsets`, `${end - begin} bytes`, `${bytes} for ${dtype} of shape [${shape.join(", ")}]`);
  }
  return { name, dtype, shape, begin, end };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isDType(value: unknown): value is SafetensorsDType {
  return typeof value === "string" && Object.hasOwn(DTYPES, value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
