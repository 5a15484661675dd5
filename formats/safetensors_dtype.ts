export type SafetensorsDType = "F32" | "F64" | "I32" | "I64" | "U8";

export type SafetensorsArray =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

interface DTypeFacts {
  readonly bytes: number;
  readonly array: new (buffer: ArrayBuffer) => SafetensorsArray;
}

/** The dtypes that are read and written. Typed arrays and the format are both little-endian wherever Deno runs. */
export const DTYPES: Readonly<Record<SafetensorsDType, DTypeFacts>> = {
  F32: { bytes: 4, array: Float32Array },
  F64: { bytes: 8, array: Float64Array },
  I32: { bytes: 4, array: Int32Array },
  I64: { bytes: 8, array: BigInt64Array },
  U8: { bytes: 1, array: Uint8Array },
};
