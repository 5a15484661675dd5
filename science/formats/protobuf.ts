import { Buffer } from "node:buffer";

// Protocol buffers, as files of other programs have them: https://protobuf.dev/programming-guides/encoding

/** A text, bytes, a message within, a whole number from 0 to 2^53 - 1, or one float or double. */
type Value = string | Uint8Array | Fields | number | Float32Array | Float64Array;

/** The fields of a message by their numbers. */
export type Fields = readonly (readonly [field: number, value: Value])[];

/** Wire types. */
const [VARINT, FIXED64, LENGTH, FIXED32] = [0, 1, 2, 5];

export function encodeMessage(fields: Fields): Uint8Array<ArrayBuffer> {
  const parts = fields.flatMap(([field, value]) => {
    if (typeof value === "number") return [varint(field * 8 + VARINT), varint(value)];
    if (value instanceof Float32Array || value instanceof Float64Array) {
      return [varint(field * 8 + (value instanceof Float32Array ? FIXED32 : FIXED64)), new Uint8Array(value.buffer)];
    }
    const isMessage = typeof value === "object" && !(value instanceof Uint8Array);
    const bytes = isMessage ? encodeMessage(value) : Buffer.from(value);
    return [varint(field * 8 + LENGTH), varint(bytes.length), bytes];
  });
  return Uint8Array.from(Buffer.concat(parts));
}

/** Seven bits a byte, the lowest first; all bytes but the last have their highest bit set. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push(value % 128 + 128);
  return Uint8Array.of(...bytes, value);
}
