import { printable } from "../diagnostic/format.ts";

/** Longest line that is kept whole. Messages of workers are shorter, as their texts are cut to {@linkcode MAX_TEXT}. */
const MAX_LINE = 1 << 20;

/** Longest text within a message. JSON writes a character in at most six. */
const MAX_TEXT = 8 << 10;

/** Cut a text to what a message may hold. */
export function cutText(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}

/** Pipeline files are refused above 5 MB; what stages answer about their params is of that size too. */
export const MAX_ANSWER = 64 << 20;

/** Messages begin with this, so what is no message is never cut within one's mark. */
const MARK = 0x1e;
const BREAK = 0x0a;
/** A line that is no message comes in pieces of this size. Longer texts stay in V8's memory until it cleans up all of it. */
const PIECE = 64 << 10;

/**
 * Lines of a stream, as they come; a last line without a break counts too. A line that has no end comes in pieces, so
 * that memory stays flat whatever is printed.
 */
export async function* streamLines(
  stream: ReadableStream<Uint8Array>,
  longest: number = MAX_LINE,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const decode = (bytes: Uint8Array) => decoder.decode(bytes, { stream: true });
  // Bytes, since a text that grows is copied, or keeps all that it was made of.
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

/** What a stage may print before the rest is left out: a loop that prints must not fill the disk. */
const LOG_LIMIT_BYTES = 64 << 20;
const TAIL_LINES = 12;
const TAIL_LINE_LENGTH = 400;

/** What one process prints: on to the log up to a limit, and the last lines kept for messages. */
export class StageLog {
  readonly #tail: string[] = [];
  #size = 0;
  #leftOut = 0;

  constructor(private readonly write: (line: string) => void) {}

  keep(said: string): void {
    // A line that the log leaves out is shown by its start at most.
    const line = printable(this.#leftOut > 0 ? said.slice(0, TAIL_LINE_LENGTH + 1) : said);
    this.#tail.push(line.length > TAIL_LINE_LENGTH ? `${line.slice(0, TAIL_LINE_LENGTH)}…` : line);
    if (this.#tail.length > TAIL_LINES) this.#tail.shift();
    this.#size += line.length + 1;
    if (this.#size > LOG_LIMIT_BYTES) this.#leftOut++;
    else this.write(line);
  }

  /** Say what is missing. Called when the process has ended. */
  close(): void {
    if (this.#leftOut === 0) return;
    this.write(`… ${this.#leftOut} lines left out: a log holds ${LOG_LIMIT_BYTES >> 20} MiB of each stage`);
  }

  tail(): string {
    return this.#tail.join("\n").trim();
  }
}
