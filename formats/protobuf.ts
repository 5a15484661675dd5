import { Buffer } from "node:buffer";

/** Protocol buffers, as files of other programs have them: https://protobuf.dev/programming-guides/encoding */

/** A text, bytes, a message within, a whole number from 0 to 2^53 - 1, or a number of another type. */
type Value = string | Uint8Array | Fields | number | Readonly<{ float: number }> | Readonly<{ double: number }>;

/** The fields of a message by their numbers. */
export type Fields = readonly (readonly [field: number, value: Value])[];

/** Wire types. */
const [VARINT, FIXED64, LENGTH, FIXED32] = [0, 1, 2, 5];

export function encodeMessage(fields: Fields): Uint8Array<ArrayBuffer> {
  const parts = fields.flatMap(([field, value]) => {
    const tagged = (wire: number, ...rest: Uint8Array[]) => [varint(field * 8 + wire), ...rest];
    if (typeof value === "number") return tagged(VARINT, varint(value));
    if (typeof value === "object" && "float" in value) return tagged(FIXED32, bytesOf(Float32Array.of(value.float)));
    if (typeof value === "object" && "double" in value) return tagged(FIXED64, bytesOf(Float64Array.of(value.double)));
    const isMessage = typeof value === "object" && !(value instanceof Uint8Array);
    const bytes = isMessage ? encodeMessage(value) : typeof value === "string" ? Buffer.from(value) : value;
    return tagged(LENGTH, varint(bytes.length), bytes);
  });
  return Uint8Array.from(Buffer.concat(parts));
}

function bytesOf({ buffer }: Float32Array | Float64Array): Uint8Array {
  return new Uint8Array(buffer);
}

/** Seven bits a byte, the lowest first; all bytes but the last have their highest bit set. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push(value % 128 + 128);
  return Uint8Array.of(...bytes, value);
}
