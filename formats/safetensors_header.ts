import { FormatError } from "./format_error.ts";

/** The dtypes that are read and written. Typed arrays and the format are both little-endian wherever Deno runs. */
export const DTYPES = {
  F32: Float32Array,
  F64: Float64Array,
  I32: Int32Array,
  I64: BigInt64Array,
  U8: Uint8Array,
} as const;

export type SafetensorsDType = keyof typeof DTYPES;

export type SafetensorsArray = InstanceType<typeof DTYPES[SafetensorsDType]>;

/** One tensor as the header describes it; offsets count from the end of the header. */
export type HeaderEntry = Readonly<ReturnType<typeof parseEntry>>;

/**
 * Parse and check a safetensors header.
 *
 * @param dataBytes length of the file after the header, which the tensors must fill exactly
 * @returns with the tensors in the order of their bytes
 * @throws FormatError
 */
export function parseHeader(bytes: Uint8Array, dataBytes: number) {
  const root = parseObject(bytes);
  const { __metadata__: metadata, ...tensors } = root;
  const entries = Object.entries(tensors).map(([name, value]) => parseEntry(name, value));
  // Tensors of no bytes share their offset with the one after them, and come before it.
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);

  let position = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== position) {
      throw new FormatError(`safetensors tensor ${JSON.stringify(name)}`, {
        got: `offset ${begin}`,
        wanted: `${position}: tensors must not ${begin < position ? "overlap" : "leave a gap"}`,
      });
    }
    position = end;
  }
  if (position !== dataBytes) {
    throw new FormatError("safetensors data", {
      got: `${dataBytes} bytes`,
      wanted: `${position}: the file ${position > dataBytes ? "is cut off" : "has bytes after the last tensor"}`,
    });
  }
  return { entries, metadata: parseMetadata(metadata) };
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  let root: unknown;
  try {
    root = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw new FormatError("safetensors header", { got: "bytes that are not JSON", wanted: "a JSON object", cause });
  }
  if (!isObject(root)) throw new FormatError("safetensors header", { got: describe(root), wanted: "a JSON object" });
  return root;
}

function parseMetadata(value: unknown = {}): Record<string, string> {
  if (!isObject(value) || !Object.values(value).every((text) => typeof text === "string")) {
    throw new FormatError("safetensors __metadata__", { got: describe(value), wanted: "an object of strings" });
  }
  return value as Record<string, string>;
}

function parseEntry(name: string, value: unknown) {
  const what = `safetensors tensor ${JSON.stringify(name)}`;
  if (!isObject(value)) throw new FormatError(what, { got: describe(value), wanted: "an object" });
  const { dtype, shape, data_offsets: offsets, ...rest } = value;
  const extra = Object.keys(rest)[0];
  if (extra !== undefined) {
    throw new FormatError(what, { got: `key ${JSON.stringify(extra)}`, wanted: "dtype, shape and data_offsets only" });
  }
  if (!isDType(dtype)) {
    throw new FormatError(`${what} dtype`, { got: describe(dtype), wanted: Object.keys(DTYPES).join(", ") });
  }
  if (!isSizes(shape)) throw new FormatError(`${what} shape`, { got: describe(shape), wanted: "integers >= 0" });
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw new FormatError(`${what} data_offsets`, { got: describe(offsets), wanted: "[begin, end] with begin <= end" });
  }
  const [begin, end] = offsets as [number, number];
  const bytes = shape.reduce((product, length) => product * length, DTYPES[dtype].BYTES_PER_ELEMENT);
  if (bytes !== end - begin) {
    throw new FormatError(`${what} data_offsets`, {
      got: `${end - begin} bytes`,
      wanted: `${bytes} for ${dtype} of shape [${shape.join(", ")}]`,
    });
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

/** A value for an error message, cut where it gets long. */
function describe(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
