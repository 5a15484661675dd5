/** A request as the service sees it. */
export interface Asked {
  readonly method: string;
  /** The name below the bucket, such as `v1/results/ab/abc…`. */
  readonly name: string;
  readonly at: number;
}

/** The small part of S3 that a shared cache needs, in this process, with answers that a test may choose. */
export class TinyS3 implements AsyncDisposable {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #files = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly asked: Asked[] = [];
  /** Returns the status of an error answer; undefined lets the request through. */
  decide: (asked: Asked) => number | undefined = () => undefined;

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#answer(request),
    );
  }

  /** Address of the only bucket. */
  get base(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/bucket`;
  }

  /** Returns the names of stored objects that contain a text. */
  names(part: string): string[] {
    return [...this.#files.keys()].filter((name) => name.includes(part)).sort();
  }

  async #answer(request: Request): Promise<Response> {
    const { method } = request;
    const asked = { method, name: new URL(request.url).pathname.replace(/^\/bucket\//, ""), at: performance.now() };
    this.asked.push(asked);
    const body = new Uint8Array(await request.arrayBuffer());
    const status = this.decide(asked);
    if (status !== undefined) return new Response(null, { status });
    const file = this.#files.get(asked.name);
    if (method === "PUT") {
      if (file !== undefined && request.headers.get("if-none-match") === "*") {
        return new Response(null, { status: 412 });
      }
      this.#files.set(asked.name, body);
      return new Response(null);
    }
    if (file === undefined) return new Response(null, { status: 404 });
    const headers = { "content-length": String(file.length) };
    return new Response(method === "HEAD" ? null : file, { headers });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}
