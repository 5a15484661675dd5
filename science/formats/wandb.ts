/**
 * The file that W&B's client writes when it is offline: a log as LevelDB writes it (google/leveldb, doc/log_format.md)
 * with W&B's header; each record is a message `Record` of wandb_internal.proto (wandb 0.21 to 0.31).
 */
import { crc32 } from "node:zlib";
import { encodeMessage, type Fields } from "./protobuf.ts";

/** `:W&B`, a number and the version of the format. */
export const WANDB_HEADER = Uint8Array.of(0x3a, 0x57, 0x26, 0x42, 0xe1, 0xbe, 0);

/** The first record: the release of W&B's client whose files are written. */
export const WANDB_VERSION: Fields = [[1, [[1, "0.21.4"], [2, "0.0.1"]]]];

/** Fields of `Record`. */
const RECORD = { history: 2, summary: 3, files: 6, metric: 12, run: 17, exit: 18, header: 21 } as const;

/** Returns values by name as the items of a configuration, a row or a summary. */
export function wandbItems(values: Readonly<Record<string, unknown>>): Fields {
  return Object.entries(values).map(([key, value]) => [1, [[1, key], [16, JSON.stringify(value)]]]);
}

const BLOCK = 32_768;
const RECORD_HEADER = 7;
/** Kinds of records: a whole one, or the first, middle and last part of one that goes on in the next block. */
const [FULL, FIRST, MIDDLE, LAST] = [1, 2, 3, 4] as const;

/**
 * Encodes a record, cut into the blocks of the log.
 * @param number of the record, from 1 @param offset where in the file it begins
 */
export function encodeWandbRecord(kind: keyof typeof RECORD, message: Fields, number: number, offset: number) {
  const data = encodeMessage([[1, number], [RECORD[kind], message]]);
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0, isFirst = true; isFirst || at < data.length; isFirst = false) {
    let room = BLOCK - offset % BLOCK;
    if (room < RECORD_HEADER) {
      pieces.push(new Uint8Array(room));
      offset += room;
      room = BLOCK;
    }
    const part = data.slice(at, at + room - RECORD_HEADER);
    at += part.length;
    const isLast = at === data.length;
    const type = isFirst ? isLast ? FULL : FIRST : isLast ? LAST : MIDDLE;
    const head = new DataView(new ArrayBuffer(RECORD_HEADER));
    head.setUint32(0, crc32(part, crc32(Uint8Array.of(type))), true);
    head.setUint16(4, part.length, true);
    head.setUint8(6, type);
    pieces.push(new Uint8Array(head.buffer), part);
    offset += RECORD_HEADER + part.length;
  }
  return pieces;
}
