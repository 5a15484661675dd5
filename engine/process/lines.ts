import { Buffer } from "node:buffer";
import { printable } from "../diagnostic/format.ts";

/**
 * Longest line that is kept whole, in bytes. Messages of workers are shorter, as {@linkcode MAX_TEXT} limits their
 * texts.
 */
export const MAX_LINE = 1 << 20;

/** Longest text within a message, in characters. JSON writes a character in at most six. */
const MAX_TEXT = 8 << 10;

/** Cuts a text to the length that a message may hold. */
export function cutText(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}

/**
 * Longest answer about params, in bytes. Pipeline files are refused above 5 MB; answers about their params are of that
 * size too.
 */
export const MAX_ANSWER = 64 << 20;

/**
 * The byte that messages begin with. Cuts of other output fall before this byte, never within the prefix of a message.
 */
const MARK = 0x1e;
const BREAK = 0x0a;
/**
 * Longest piece, in bytes, of a line that is not a message. Longer strings stay in V8's memory until a full garbage
 * collection.
 */
const PIECE = 64 << 10;

/**
 * Yields the text of a stream as it comes: either one line that may be a message, or other lines with breaks between
 * them, since millions of lines one by one would keep the process from everything else. A last line without a line
 * break counts too. A line without an end comes in pieces, so that memory stays flat whatever is printed.
 * @param longest longest message, in bytes @param piece longest piece of a line that is not a message
 */
export async function* streamText(
  stream: ReadableStream<Uint8Array>,
  longest: number = MAX_LINE,
  piece: number = PIECE,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const decode = (bytes: Uint8Array) => decoder.decode(bytes, { stream: true });
  // The line is held as bytes: a growing string is copied, or keeps all the strings that it was made of.
  let held = new Uint8Array(2 * PIECE);
  let size = 0;
  for await (const chunk of stream) {
    const before = held;
    if (size + chunk.length > held.length) held = new Uint8Array(2 * (size + chunk.length));
    if (held !== before) held.set(before.subarray(0, size));
    held.set(chunk, size);
    let rest = held.subarray(0, size + chunk.length);
    for (let whole = chunk.includes(BREAK) ? rest.lastIndexOf(BREAK) + 1 : 0; whole > 0;) {
      const mark = rest.subarray(0, whole).indexOf(MARK);
      const end = mark < 0 ? whole : rest.lastIndexOf(BREAK, mark) + 1 || rest.indexOf(BREAK, mark) + 1;
      yield decode(rest.subarray(0, end)).slice(0, -1);
      rest = rest.subarray(end);
      whole -= end;
    }
    while (rest.length > piece) {
      const mark = rest.indexOf(MARK);
      const end = mark === 0 ? longest : mark > 0 ? Math.min(mark, piece) : piece;
      if (rest.length <= end) break;
      yield decode(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
    size = rest.length;
    held.set(rest);
  }
  const last = decoder.decode(held.subarray(0, size));
  if (last !== "") yield last;
}

/** Yields the lines of a stream one by one, as {@linkcode streamText} reads them. */
export async function* streamLines(stream: ReadableStream<Uint8Array>, piece?: number): AsyncGenerator<string> {
  for await (const text of streamText(stream, MAX_LINE, piece)) yield* text.split("\n");
}

/**
 * The most that a stage may print, in bytes, before the rest is left out: a loop that prints must not fill the disk.
 */
const LOG_LIMIT_BYTES = 64 << 20;
const TAIL_LINES = 12;
const TAIL_LINE_LENGTH = 400;

/** The output of one stage: written to the log up to a limit, with the last lines kept for messages. */
export class StageLog implements Disposable {
  #tail: string[] = [];
  #size = 0;
  #leftOut = 0;

  constructor(private readonly write: (text: string) => void) {}

  /** Takes one line or several that the stage's process printed. */
  keep(said: string): void {
    const lines = said.split("\n");
    const last = lines.slice(-TAIL_LINES).map((line) => printable(line.slice(0, TAIL_LINE_LENGTH + 1)));
    const short = last.map((line) => line.length > TAIL_LINE_LENGTH ? `${line.slice(0, TAIL_LINE_LENGTH)}…` : line);
    this.#tail = [...this.#tail, ...short].slice(-TAIL_LINES);
    this.add(said, lines.length);
  }

  /** Takes one line or several that messages do not quote, such as notes. */
  add(said: string, lines: number = said.split("\n").length): void {
    const text = this.#leftOut === 0 ? printable(said) : undefined;
    // Characters take up to three bytes on disk, such as those in place of bytes that are not UTF-8.
    this.#size += Buffer.byteLength(text ?? "") + 1;
    if (text === undefined || this.#size > LOG_LIMIT_BYTES) this.#leftOut += lines;
    else this.write(text);
  }

  tail(): string {
    return this.#tail.join("\n").trim();
  }

  /** Writes how many lines were left out. */
  [Symbol.dispose](): void {
    if (this.#leftOut === 0) return;
    this.write(`… ${this.#leftOut} lines left out: a log holds ${LOG_LIMIT_BYTES >> 20} MiB of each stage`);
  }
}
