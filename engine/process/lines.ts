/** Longest line that is kept whole. Messages of workers are shorter, as their texts are cut to {@linkcode MAX_TEXT}. */
const MAX_LINE = 1 << 20;

/** Longest text within a message. JSON writes a character in at most six. */
export const MAX_TEXT = 8 << 10;

/** Pipeline files are refused above 5 MB; what stages answer about their params is of that size too. */
const MAX_ANSWER = 64 << 20;

/** Messages begin with this, so a line that is too long is never cut within one's mark. */
const MARK = "\u001e";
const LONGEST_MARK = 64;

/**
 * Lines of a stream, as they come; a last line without a break counts too. A line that has no end comes in pieces, so
 * that memory stays flat whatever is printed.
 */
export function streamLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  return cutLines(stream, MAX_LINE);
}

/** Lines of a stream of which one may be a whole answer: params of many stages, or a pipeline. */
export function answerLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  return cutLines(stream, MAX_ANSWER);
}

async function* cutLines(stream: ReadableStream<Uint8Array>, longest: number): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = decoder.decode(chunk, { stream: true }).split("\n");
    lines[0] = rest + lines[0]!;
    rest = lines.pop()!;
    yield* lines;
    while (rest.length > longest) {
      const mark = rest.indexOf(MARK, longest - LONGEST_MARK);
      const end = mark < 0 || mark > longest ? longest : mark;
      yield rest.slice(0, end);
      rest = rest.slice(end);
    }
  }
  if (rest !== "") yield rest;
}
