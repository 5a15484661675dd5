/**
 * Event files of TensorBoard: records of TensorFlow's record format, each a protocol buffer of type Event
 * (tensorflow/core/util/event.proto). Only scalars and pictures are supported.
 */

import { Buffer } from "node:buffer";
import { pngSize } from "./png_size.ts";
import { encodeMessage, type Fields } from "./protobuf.ts";

/** The name of a file of events: TensorBoard looks for the word `tfevents` in it. */
export const EVENTS_FILE = "events.out.tfevents.0.noiseline";

export interface ScalarEvent {
  readonly step: number;
  /** Name of a curve, such as `train/loss`; TensorBoard groups curves by it. */
  readonly tag: string;
  readonly value: number;
}

interface ImageEvent extends Omit<ScalarEvent, "value"> {
  /** A whole PNG. */
  readonly png: Uint8Array;
}

/** @param wallTime seconds since 1970, for all events */
export function encodeEvents(
  events: readonly (ScalarEvent | ImageEvent)[],
  wallTime: number,
): Uint8Array<ArrayBuffer> {
  const encoded = events.map((one) => {
    const { step, tag } = one;
    if ("value" in one) return event(wallTime, step, [5, [[1, [[1, tag], [2, Float32Array.of(one.value)]]]]]);
    const { width, height } = pngSize(one.png);
    return event(wallTime, step, [5, [[1, [[1, tag], [4, [[1, height], [2, width], [4, one.png]]]]]]]);
  });
  return Uint8Array.from(Buffer.concat([event(wallTime, 0, [3, "brain.Event:2"]), ...encoded]));
}

function event(wallTime: number, step: number, what: Fields[number]): Uint8Array {
  return record(encodeMessage([[1, Float64Array.of(wallTime)], [2, step], what]));
}

/** Encodes a record: length, its checksum, data, their checksum. */
function record(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data.length + 16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedChecksum(bytes.subarray(0, 8)), true);
  bytes.set(data, 12);
  view.setUint32(12 + data.length, maskedChecksum(data), true);
  return bytes;
}

/** CRC-32C (Castagnoli), reflected. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >>> 1 ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff]! ^ crc >>> 8;
  return (crc ^ 0xffffffff) >>> 0;
}

/** Rotates a checksum and adds a constant, since checksums of data that contain checksums are weak. */
function maskedChecksum(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15 | crc << 17) >>> 0) + 0xa282ead8) % 2 ** 32;
}
