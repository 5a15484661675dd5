import { refuse } from "./format_error.ts";
import { decodeSafetensors, encodeSafetensors, type SafetensorsArray } from "./safetensors.ts";

type Vectors = Readonly<
  Record<string, Float32Array | Float64Array | Int32Array | Uint8Array | Uint16Array | undefined>
>;

/** Encodes vectors [n] by name as the parts of a safetensors file; undefined vectors are left out. */
export function encodeVectors(vectors: Vectors, metadata: Readonly<Record<string, string>> = {}): Uint8Array[] {
  const tensors = Object.entries(vectors).flatMap(([name, data]) =>
    data === undefined ? [] : [[name, { shape: [data.length], data: data as SafetensorsArray }] as const]
  );
  return encodeSafetensors({ tensors: Object.fromEntries(tensors), metadata });
}

/** @throws FormatError when the bytes are not a safetensors file */
export function decodeVectors(bytes: Uint8Array) {
  const { tensors, metadata } = decodeSafetensors(bytes);
  return { vectors: Object.fromEntries(Object.entries(tensors).map(([name, { data }]) => [name, data])), metadata };
}

/** Returns the vector of a name. @throws FormatError when its length or type is not the expected one */
export function vectorOf<T extends SafetensorsArray>(
  vectors: Readonly<Record<string, SafetensorsArray>>,
  name: string,
  { file, type, length }: {
    readonly file: string;
    readonly type: abstract new (...args: never[]) => T;
    readonly length: number;
  },
): T {
  const data = vectors[name];
  if (data instanceof type && data.length === length) return data;
  const got = data === undefined ? "none" : data instanceof type ? `${data.length} numbers` : data.constructor.name;
  refuse(`${file}, tensor ${name}`, got, `${length} of ${type.name}`);
}
