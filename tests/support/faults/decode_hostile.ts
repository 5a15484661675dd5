/**
 * Decodes files that demand too many resources, or are malformed, in a separate process. For each file it reports the
 * outcome and how far this process's memory rose above its previous level. Run with the number of cases of each
 * generator.
 *
 * @module
 */
import fc from "fast-check";
import { Buffer } from "node:buffer";
import { constants, crc32, deflateSync, gzipSync } from "node:zlib";
import { FormatError } from "../../../science/formats/format_error.ts";
import { decodeIdx } from "../../../science/formats/idx.ts";
import { decodeJpeg } from "../../../science/formats/jpeg/jpeg.ts";
import { decodeNpz } from "../../../science/formats/npz.ts";
import { decodePng } from "../../../science/formats/png_decoder.ts";
import { JPEGS } from "../../unit/science/formats/jpeg_fixtures.ts";
import { type Chunk, headerChunk, joinChunks } from "../png_files.ts";

export interface Outcome {
  readonly name: string;
  /** The error that was thrown; absent if a value was returned. */
  readonly error?: string;
  readonly isFormatError?: boolean;
  readonly bytes: number;
  /** Peak memory in bytes above the previous level. */
  readonly rose: number;
}

type Case = readonly [name: string, bytes: Uint8Array, decode: (bytes: Uint8Array) => unknown];

const BOMB_BYTES = 256 << 20;

/** Zeros without their checksum, compressed by a factor of a thousand. */
function zeros(bytes: number): Uint8Array {
  const piece = deflateSync(new Uint8Array(1 << 20), { finishFlush: constants.Z_FULL_FLUSH });
  const rest = piece.subarray(2);
  return Buffer.concat([piece, ...Array.from({ length: (bytes >> 20) - 1 }, () => rest), deflateSync("").subarray(2)]);
}

const bomb = zeros(BOMB_BYTES);
const text = (word: string) => Buffer.from(`${word}\0`, "latin1");
const RGB = [8, 2, 0, 0];
const END: Chunk = { type: "IEND", content: new Uint8Array() };

/** An image of 8 x 8 RGB pixels. */
function small(interlace = 0): [Chunk, Chunk] {
  const rows = interlace === 0 ? 8 * 25 : 15 + 8 * 24;
  return [headerChunk(8, 8, [...RGB, interlace]), { type: "IDAT", content: deflateSync(new Uint8Array(rows)) }];
}

/**
 * Honest images that use as much memory as they declare: without them, a measurement that always returns 0 would pass.
 */
function* honest(): Generator<Case> {
  const side = 3_000;
  const idat = { type: "IDAT", content: deflateSync(new Uint8Array(side * (1 + 3 * side))) };
  yield ["honest", joinChunks([headerChunk(side, side, [...RGB, 0]), idat, END]), decodePng];
}

/** In the order of the standard; one bomb for each kind of chunk that is, or may be, compressed. */
function* pngBombs(): Generator<Case> {
  const noted = { iCCP: ["icc", 0], zTXt: ["note", 0], iTXt: ["note", 1, 0, 0, 0] } as const;
  for (const interlace of [0, 1]) {
    const [ihdr, idat] = small(interlace);
    const png = (name: string, ...chunks: Chunk[]): Case => {
      return [`${name}, interlace ${interlace}`, joinChunks(chunks), decodePng];
    };
    yield png("plain", ihdr, idat, END);
    yield png("pixels", ihdr, { type: "IDAT", content: bomb }, END);
    const size = Math.ceil(bomb.length / 2_000);
    const parts = Array.from({ length: 2_000 }, (_, i) => bomb.subarray(i * size, (i + 1) * size));
    yield png("pixels in parts", ihdr, ...parts.map((content) => ({ type: "IDAT", content })), END);
    for (const [type, [keyword, ...rest]] of Object.entries(noted)) {
      const content = Buffer.concat([text(keyword), Uint8Array.from(rest), bomb]);
      yield png(type, ihdr, { type, content }, idat, END);
      yield png(`${type} at the end`, ihdr, idat, { type, content }, END);
    }
    for (const [width, height] of [[16_384, 16_384], [10_000, 10_000], [2 ** 31 - 1, 1], [1, 90_000_000]] as const) {
      const name = `${width} x ${height}`;
      yield png(name, headerChunk(width, height, [...RGB, interlace]), idat, END);
      yield png(`${name}, deep`, headerChunk(width, height, [16, 6, 0, 0, interlace]), idat, END);
    }
    const frame = { type: "fdAT", content: Buffer.concat([Buffer.alloc(4), bomb]) };
    yield png("animation", ihdr, { type: "acTL", content: Buffer.alloc(8) }, idat, frame, END);
  }
}

const EDITS = ["twice", "gone", "swapped", "length", "checksum", "byte", "bomb", "cut", "many"] as const;

/** Possible edits of a list of parts. Positions are counted modulo the length of the list. */
const edits = fc.array(
  fc.record({ edit: fc.constantFrom(...EDITS), at: fc.nat(1_000), to: fc.nat(1_000), value: fc.nat(2 ** 32 - 1) }),
  { minLength: 1, maxLength: 5 },
);

/**
 * Applies an edit that works the same for all formats.
 * @returns true if the edit was applied
 */
function rearrange<T>(parts: T[], { edit, from, into, to }: { edit: string; from: number; into: number; to: number }) {
  const one = parts[from]!;
  if (edit === "twice") parts.splice(into, 0, one);
  else if (edit === "gone") parts.splice(from, 1);
  else if (edit === "swapped") [parts[from], parts[into]] = [parts[into]!, one];
  else if (edit === "many" && parts.length < 500) parts.splice(from, 0, ...Array.from({ length: to }, () => one));
  else return false;
  return true;
}

function* editedPngs(count: number): Generator<Case> {
  const kinds = ["PLTE", "tRNS", "IDAT", "iCCP", "zTXt", "iTXt", "tEXt", "gAMA", "fdAT", "oops", "OOPS"];
  const any = fc.tuple(fc.constantFrom(0, 1), edits, fc.constantFrom(...kinds));
  for (const [interlace, all, type] of fc.sample(any, { numRuns: count, seed: 1 })) {
    const chunks: Chunk[] = [...small(interlace), END];
    let cut = Infinity;
    for (const { edit, at, to, value } of all) {
      if (chunks.length === 0) break;
      const [from, into] = [at % chunks.length, to % chunks.length];
      if (rearrange(chunks, { edit, from, into, to: to % 30 })) continue;
      const one = chunks[from]!;
      const { length } = one.content;
      if (edit === "length") chunks[from] = { ...one, length: to % 2 ? value : (length + to - 500) >>> 0 };
      if (edit === "checksum") chunks[from] = { ...one, checksum: value };
      if (edit === "byte" && length > 0) chunks[from] = { ...one, content: one.content.with(to % length, value & 255) };
      if (edit === "bomb") chunks.splice(into, 0, { type, content: Buffer.concat([text("a"), Buffer.alloc(1), bomb]) });
      if (edit === "cut") cut = value;
    }
    const bytes = joinChunks(chunks);
    const end = cut === Infinity ? undefined : cut % bytes.length;
    yield [`png ${JSON.stringify(all)} ${type}`, bytes.subarray(0, end), decodePng];
  }
}

/** Returns a JPEG's segments, each scan together with its codes. */
function segmentsOf(jpeg: Uint8Array): Uint8Array[] {
  const starts = [...jpeg.keys()].filter((at) => jpeg[at] === 0xff && jpeg[at + 1]! >= 0xc0 && jpeg[at + 1] !== 0xff);
  return starts.map((at, i) => jpeg.subarray(at, starts[i + 1]));
}

const isFrame = (segment: Uint8Array) => segment[1]! >= 0xc0 && segment[1]! <= 0xc2;

function sized(frame: Uint8Array, value: number): Uint8Array {
  return frame.with(5, value >>> 24).with(6, value >>> 16 & 255).with(7, value >>> 8 & 255).with(8, value & 255);
}

function* editedJpegs(count: number): Generator<Case> {
  const any = fc.tuple(fc.constantFrom(JPEGS.baseline, JPEGS.progressive, JPEGS.grey), edits);
  for (const [jpeg, all] of fc.sample(any, { numRuns: count, seed: 2 })) {
    let parts = segmentsOf(jpeg);
    let cut = Infinity;
    for (const { edit, at, to, value } of all) {
      if (parts.length === 0) break;
      const [from, into] = [at % parts.length, to % parts.length];
      if (rearrange(parts, { edit, from, into, to })) continue;
      const one = parts[from]!;
      if (edit === "length" && one.length > 3) parts[from] = one.with(2, value & 255).with(3, value >> 8 & 255);
      if (edit === "bomb") parts = parts.map((part) => isFrame(part) ? sized(part, value) : part);
      if (edit === "byte" || edit === "checksum") parts[from] = one.with(to % one.length, value & 255);
      if (edit === "cut") cut = value;
    }
    const bytes = new Uint8Array(Buffer.concat(parts));
    const end = cut === Infinity ? undefined : cut % (bytes.length || 1);
    yield [`jpeg ${JSON.stringify(all)}`, bytes.subarray(0, end), decodeJpeg];
  }
}

/**
 * Small files that declare 96 megapixels, and files with thousands of scans, each of which takes as long as the whole
 * image.
 */
function* jpegBombs(): Generator<Case> {
  for (const kind of ["baseline", "progressive"] as const) {
    const parts = segmentsOf(JPEGS[kind]);
    const large = parts.map((part) => isFrame(part) ? sized(part, (9_600 << 16 | 10_000) >>> 0) : part);
    yield [`${kind} of 96 megapixels`, Buffer.concat(large), decodeJpeg];
    const scan = parts.find((part) => part[1] === 0xda)!;
    const scans = [...parts.slice(0, -1), ...Array.from({ length: 5_000 }, () => scan), parts.at(-1)!];
    yield [`${kind} with 5,000 scans`, Buffer.concat(scans), decodeJpeg];
  }
}

const IDX = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 10, 20, 30, 40, 50, 60);
const readIdx = (bytes: Uint8Array) => decodeIdx(bytes, [2, 1, 3]);

function* idxFiles(count: number): Generator<Case> {
  const gzipHeader = gzipSync("").subarray(0, 10);
  yield ["idx, zeros", Buffer.concat([gzipHeader, bomb.subarray(2)]), readIdx];
  const members = Array.from({ length: 64 }, () => gzipSync(new Uint8Array(1 << 22)));
  yield ["idx, many members", Buffer.concat([gzipSync(IDX), ...members]), readIdx];
  const any = fc.tuple(
    fc.boolean(),
    fc.boolean(),
    fc.nat(1_000),
    fc.nat(1_000),
    fc.nat(255),
    fc.integer({ min: 20, max: 90 }),
  );
  for (const [isPacked, isLate, at, to, value, cut] of fc.sample(any, { numRuns: count, seed: 3 })) {
    const idx = isLate ? IDX : IDX.with(at % IDX.length, value);
    const file = isPacked ? new Uint8Array(gzipSync(idx)) : idx;
    const changed = isLate ? file.with(at % file.length, value).with(to % file.length, value) : file;
    yield [`idx ${[isPacked, isLate, at, to, value, cut]}`, changed.subarray(0, cut), readIdx];
  }
}

/** An npz of one file whose directory declares a size. */
function* npzBombs(): Generator<Case> {
  const body = bomb.subarray(2);
  for (const size of [100, 4_000, BOMB_BYTES, 2 ** 32 - 2]) {
    const [local, entry, end] = [Buffer.alloc(30), Buffer.alloc(46), Buffer.alloc(22)];
    local.writeUInt32LE(0x04034b50);
    local.writeUInt16LE(6, 26);
    entry.writeUInt32LE(0x02014b50);
    entry.writeUInt16LE(8, 10);
    entry.writeUInt32LE(crc32(""), 16);
    entry.writeUInt32LE(body.length, 20);
    entry.writeUInt32LE(size, 24);
    entry.writeUInt16LE(6, 28);
    end.writeUInt32LE(0x06054b50);
    end.writeUInt16LE(1, 10);
    end.writeUInt32LE(52, 12);
    end.writeUInt32LE(36 + body.length, 16);
    const name = Buffer.from("mu.npy");
    const bytes = Buffer.concat([local, name, body, entry, name, end]);
    yield [`npz of ${size} bytes`, bytes, (all) => decodeNpz(all, "mu", 4_096)];
  }
}

function kilobytes(name: string): number {
  return Number(new RegExp(`${name}:\\s+(\\d+)`).exec(Deno.readTextFileSync("/proc/self/status"))![1]);
}

async function measure([name, bytes, decode]: Case): Promise<Outcome> {
  // This makes the kernel reset the process's peak memory.
  Deno.writeTextFileSync("/proc/self/clear_refs", "5");
  const before = kilobytes("VmRSS");
  let failure: unknown;
  try {
    await decode(bytes);
  } catch (error) {
    failure = error;
  }
  const rose = (kilobytes("VmHWM") - before) * 1024;
  if (failure === undefined) return { name, bytes: bytes.length, rose };
  return { name, bytes: bytes.length, rose, error: String(failure), isFormatError: failure instanceof FormatError };
}

function* all(count: number): Generator<Case> {
  for (const make of [honest, pngBombs, jpegBombs, npzBombs, editedPngs, editedJpegs, idxFiles]) yield* make(count);
}

// deno-lint-ignore no-console
console.log(JSON.stringify(await Array.fromAsync(all(Number(Deno.args[0])), measure)));
