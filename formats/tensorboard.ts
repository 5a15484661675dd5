/**
 * Event files of TensorBoard: records of TensorFlow's record format, each a protocol buffer of type Event
 * (tensorflow/core/util/event.proto). Scalars only.
 */

export interface ScalarEvent {
  readonly step: number;
  /** What TensorBoard sorts curves by, such as `train/loss`. */
  readonly tag: string;
  readonly value: number;
}

/** @param wallTime seconds since 1970, of all events */
export function encodeEvents(events: readonly ScalarEvent[], wallTime: number): Uint8Array<ArrayBuffer> {
  const version = event(wallTime, 0, field(3, text("brain.Event:2")));
  const scalars = events.map(({ step, tag, value }) => {
    const summaryValue = [...field(1, text(tag)), ...tagged(2, FIXED32), ...bytesOf(Float32Array.of(value))];
    return event(wallTime, step, field(5, field(1, summaryValue)));
  });
  return Uint8Array.from([version, ...scalars].flatMap((each) => [...record(each)]));
}

/** Wire types of protocol buffers. */
const [VARINT, FIXED64, LENGTH, FIXED32] = [0, 1, 2, 5];

function event(wallTime: number, step: number, body: readonly number[]): Uint8Array {
  const time = [...tagged(1, FIXED64), ...bytesOf(Float64Array.of(wallTime))];
  return Uint8Array.from([...time, ...tagged(2, VARINT), ...varint(step), ...body]);
}

function tagged(number: number, wire: number): number[] {
  return varint(number * 8 + wire);
}

function field(number: number, body: readonly number[]): number[] {
  return [...tagged(number, LENGTH), ...varint(body.length), ...body];
}

function text(value: string): number[] {
  return [...new TextEncoder().encode(value)];
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push(rest % 128 + 128);
    rest = Math.floor(rest / 128);
  }
  return [...bytes, rest];
}

function bytesOf({ buffer }: Float32Array | Float64Array): number[] {
  return [...new Uint8Array(buffer)];
}

/** Length, its checksum, data, their checksum. */
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

/** Turned and shifted, since checksums of data that hold checksums are weak. */
function maskedChecksum(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15 | crc << 17) >>> 0) + 0xa282ead8) % 2 ** 32;
}
