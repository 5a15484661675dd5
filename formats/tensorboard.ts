/**
 * Event files of TensorBoard: records of TensorFlow's record format, each a protocol buffer of type Event
 * (tensorflow/core/util/event.proto). Only scalars and pictures are supported.
 */

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
export async function encodeEvents(
  events: readonly (ScalarEvent | ImageEvent)[],
  wallTime: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const { default: { Writer } } = await import("protobufjs/minimal.js");
  const event = (step: number) =>
    Writer.create().uint32(tag(1, FIXED64)).double(wallTime).uint32(tag(2, VARINT)).int64(step);
  const version = event(0).uint32(tag(3, LENGTH)).string("brain.Event:2");
  const values = events.map((one) => {
    const nested = event(one.step).uint32(tag(5, LENGTH)).fork().uint32(tag(1, LENGTH)).fork();
    nested.uint32(tag(1, LENGTH)).string(one.tag);
    if ("value" in one) nested.uint32(tag(2, FIXED32)).float(one.value);
    else {
      const header = new DataView(one.png.buffer, one.png.byteOffset + PNG_SIZES, 8);
      nested.uint32(tag(4, LENGTH)).fork().uint32(tag(1, VARINT)).int32(header.getUint32(4));
      nested.uint32(tag(2, VARINT)).int32(header.getUint32(0)).uint32(tag(4, LENGTH)).bytes(one.png).ldelim();
    }
    return nested.ldelim().ldelim();
  });
  return Uint8Array.from([version, ...values].flatMap((each) => [...record(each.finish())]));
}

/** The place of width and height in a PNG, big-endian. */
const PNG_SIZES = 16;

/** Wire types of protocol buffers. */
const [VARINT, FIXED64, LENGTH, FIXED32] = [0, 1, 2, 5];

/** Returns the tag that precedes a field. */
function tag(number: number, wire: number): number {
  return number * 8 + wire;
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
