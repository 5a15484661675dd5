import { printable } from "../diagnostic/format.ts";

/**
 * Longest line that is kept whole, in bytes. Messages of workers are shorter, as {@linkcode MAX_TEXT} limits their
 * texts.
 */
const MAX_LINE = 1 << 20;

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
 * Yields the lines of a stream as they come; a last line without a line break counts too. A line without an end comes
 * in pieces, so that memory stays flat whatever is printed.
 */
export async function* streamLines(
  stream: ReadableStream<Uint8Array>,
  longest: number = MAX_LINE,
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
    for (let end = rest.indexOf(BREAK, size); end >= 0; end = rest.indexOf(BREAK)) {
      yield decode(rest.subarray(0, end + 1)).slice(0, -1);
      rest = rest.subarray(end + 1);
    }
    while (rest.length > PIECE) {
      const mark = rest.indexOf(MARK);
      const end = mark === 0 ? longest : mark > 0 ? Math.min(mark, PIECE) : PIECE;
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

/**
 * The most that a stage may print, in bytes, before the rest is left out: a loop that prints must not fill the disk.
 */
const LOG_LIMIT_BYTES = 64 << 20;
const TAIL_LINES = 12;
const TAIL_LINE_LENGTH = 400;

/** The output of one process: written to the log up to a limit, with the last lines kept for messages. */
export class StageLog {
  readonly #tail: string[] = [];
  #size = 0;
  #leftOut = 0;

  constructor(private readonly write: (line: string) => void) {}

  keep(said: string): void {
    // For a line that the log leaves out, at most the start is shown, with the last lines.
    const line = printable(this.#leftOut > 0 ? said.slice(0, TAIL_LINE_LENGTH + 1) : said);
    this.#tail.push(line.length > TAIL_LINE_LENGTH ? `${line.slice(0, TAIL_LINE_LENGTH)}…` : line);
    if (this.#tail.length > TAIL_LINES) this.#tail.shift();
    this.#size += line.length + 1;
    if (this.#size > LOG_LIMIT_BYTES) this.#leftOut++;
    else this.write(line);
  }

  /** Writes how many lines were left out. Called when the process has ended. */
  close(): void {
    if (this.#leftOut === 0) return;
    this.write(`… ${this.#leftOut} lines left out: a log holds ${LOG_LIMIT_BYTES >> 20} MiB of each stage`);
  }

  tail(): string {
    return this.#tail.join("\n").trim();
  }
}
