/** The server's answer for one path. */
export type Answer =
  /** The bytes, whole or the requested range. */
  | { readonly bytes: Uint8Array<ArrayBuffer>; readonly ranges?: boolean }
  | { readonly status: number; readonly location?: string }
  /** The first `after` bytes, then nothing more: the connection breaks, or hangs. */
  | { readonly bytes: Uint8Array<ArrayBuffer>; readonly after: number; readonly then: "break" | "hang" };

/** A request as it arrived. */
export interface Seen {
  readonly path: string;
  readonly range: string | null;
}

/** A web server that only this machine can reach, whose answers tests script. */
export class FileServer implements AsyncDisposable {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #answers = new Map<string, Answer[]>();
  readonly #hanging = new Set<ReadableStreamDefaultController<Uint8Array>>();
  readonly seen: Seen[] = [];

  constructor() {
    const options = { hostname: "127.0.0.1", port: 0, onListen: () => {}, onError: () => new Response(null) };
    this.#server = Deno.serve(options, (request) => this.#answer(request));
  }

  /** Host and port. */
  get host(): string {
    return `127.0.0.1:${this.#server.addr.port}`;
  }

  url(path: string): string {
    return `http://${this.host}${path}`;
  }

  /**
   * Sets the answers for a path, in order; the last one is repeated.
   * @returns the address
   */
  serve(path: string, ...answers: Answer[]): string {
    this.#answers.set(path, answers);
    return this.url(path);
  }

  #answer(request: Request): Response {
    const path = new URL(request.url).pathname;
    const range = request.headers.get("range");
    this.seen.push({ path, range });
    const answers = this.#answers.get(path) ?? [];
    const answer = (answers.length > 1 ? answers.shift() : answers[0]) ?? { status: 404 };
    if ("status" in answer) {
      const headers: Record<string, string> = answer.location === undefined ? {} : { location: answer.location };
      return new Response(null, { status: answer.status, headers });
    }
    if ("after" in answer) return this.#cut(answer, startOf(range));
    const start = answer.ranges === false ? 0 : startOf(range);
    return respond(answer.bytes, start, answer.bytes.subarray(start));
  }

  #cut({ bytes, after, then }: Extract<Answer, { after: number }>, start: number): Response {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        controller.enqueue(bytes.subarray(start, start + after));
        this.#hanging.add(controller);
        // An error in the body breaks the connection; with a delay, the bytes before it arrive.
        if (then === "break") setTimeout(() => this.#fail(controller), 50);
      },
    });
    return respond(bytes, start, body);
  }

  #fail(controller: ReadableStreamDefaultController<Uint8Array>): void {
    if (!this.#hanging.delete(controller)) return;
    try {
      controller.error(new Error("broken on purpose"));
    } catch {
      // The client disconnected first.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const controller of [...this.#hanging]) this.#fail(controller);
    await this.#server.shutdown();
  }
}

function startOf(range: string | null): number {
  return Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
}

function respond(bytes: Uint8Array, start: number, body: BodyInit): Response {
  const length = bytes.length - start;
  if (start === 0) return new Response(body, { headers: { "content-length": String(length) } });
  if (length <= 0) return new Response(null, { status: 416, headers: { "content-range": `bytes */${bytes.length}` } });
  const range = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
  return new Response(body, { status: 206, headers: { "content-length": String(length), "content-range": range } });
}
