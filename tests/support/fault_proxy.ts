/** The fault that replaces a request's answer. */
export type Fault =
  /** An error answer in S3's format. */
  | { readonly status: number; readonly code: string }
  /** No answer for as long as the proxy lives. */
  | "hang"
  /** The connection ends in the middle of the answer. */
  | "break"
  /** The last bit of the answer is flipped. */
  | "flip";

export interface Passed {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
}

/** A proxy between a client and a service that can inject faults. */
export class FaultProxy implements AsyncDisposable {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #target: string;
  readonly #end = new AbortController();
  /** Called with each request; may change its headers. */
  decide: (request: Passed) => Fault | undefined | void = () => {};
  /** The requests and the service's answers, in the order of the answers. */
  readonly seen: { readonly method: string; readonly path: string; readonly status: number }[] = [];

  constructor(target: string) {
    this.#target = target;
    const options = { hostname: "127.0.0.1", port: 0, onListen: () => {}, onError: () => new Response(null) };
    this.#server = Deno.serve(options, (request) => this.#pass(request));
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** Stops listening. */
  async stop(): Promise<void> {
    this.#end.abort();
    await this.#server.shutdown();
  }

  async #pass(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const headers = new Headers(request.headers);
    const body = new Uint8Array(await request.arrayBuffer());
    const fault = this.decide({ method: request.method, path: pathname, headers }) ?? undefined;
    if (fault === "hang") {
      await new Promise<void>((resolve) => this.#end.signal.addEventListener("abort", () => resolve()));
      return new Response(null, { status: 503 });
    }
    if (typeof fault === "object") {
      const text = `<?xml version="1.0"?><Error><Code>${fault.code}</Code><Message>as told</Message></Error>`;
      return new Response(request.method === "HEAD" ? null : text, { status: fault.status });
    }
    const answer = await fetch(`${this.#target}${pathname}`, {
      method: request.method,
      headers,
      body: request.method === "PUT" ? body : null,
    });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    this.seen.push({ method: request.method, path: pathname, status: answer.status });
    const passed = { status: answer.status, headers: answer.headers };
    if (request.method === "HEAD" || answer.status === 304) return new Response(null, passed);
    if (fault === "flip" && answer.ok) bytes[bytes.length - 1]! ^= 1;
    if (fault !== "break" || !answer.ok) return new Response(bytes, passed);
    const half = new ReadableStream<Uint8Array>({
      start: (controller) => {
        controller.enqueue(bytes.subarray(0, bytes.length >> 1));
        setTimeout(() => controller.error(new Error("broken")), 10);
      },
    });
    return new Response(half, { status: answer.status });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
