import { createHash } from "node:crypto";
import { unpackTar } from "modern-tar";
import { CLONE } from "./cli_process.ts";

const TYPES: Readonly<Record<string, string>> = { ts: "application/typescript", js: "application/javascript" };

/** A stand-in for jsr.io on loopback: takes one package from `deno publish` and serves it. */
export class Registry implements AsyncDisposable {
  /** The value for the variable JSR_URL. */
  readonly url: string;
  /** Files of the published package, by path. */
  files: ReadonlyMap<string, Uint8Array<ArrayBuffer>> = new Map();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  /** `/@scope/name` and its version, once it is published. */
  #name = "";
  #version = "";

  constructor() {
    const listen = { port: 0, hostname: "127.0.0.1", onListen: () => {} };
    this.#server = Deno.serve(listen, async (request) => {
      const { pathname } = new URL(request.url);
      return pathname.startsWith("/api/") ? await this.#take(request, pathname) : this.#give(pathname);
    });
    this.url = `http://127.0.0.1:${this.#server.addr.port}/`;
  }

  /** Publishes the toolkit under test. */
  async publish(): Promise<Deno.CommandOutput> {
    const args = ["publish", "--token", "x", "--no-provenance", "--allow-dirty", "--no-check", "--quiet"];
    return await new Deno.Command(Deno.execPath(), { args, cwd: CLONE, env: { JSR_URL: this.url } }).output();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #take(request: Request, path: string): Promise<Response> {
    const [, scope, name, version] = /^\/api\/scopes\/(.+)\/packages\/(.+)\/versions\/(.+)$/.exec(path) ?? [];
    if (version === undefined) return Response.json({});
    if (request.method !== "POST") {
      return Response.json({ code: "packageVersionNotFound", message: "" }, { status: 404 });
    }
    const tar = await new Response(request.body!.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
    const entries = (await unpackTar(tar)).filter(({ header }) => header.type === "file");
    this.files = new Map(entries.map(({ header, data }) => [`/${header.name}`, new Uint8Array(data ?? [])]));
    [this.#name, this.#version] = [`/@${scope}/${name}`, version];
    return Response.json({ id: "1", status: "success", error: null });
  }

  #give(path: string): Response {
    const [name, version] = [this.#name, this.#version];
    if (name !== "" && path === `${name}/meta.json`) {
      const [scope, short] = name.slice(2).split("/");
      return Response.json({ scope, name: short, latest: version, versions: { [version]: {} } });
    }
    if (name !== "" && path === `${name}/${version}_meta.json`) return Response.json(this.#list());
    const start = `${name}/${version}/`;
    const file = path.startsWith(start) ? this.files.get(path.slice(start.length - 1)) : undefined;
    if (file === undefined) return new Response("not found", { status: 404 });
    const type = TYPES[path.split(".").at(-1)!] ?? "text/plain";
    return new Response(file, { headers: { "content-type": type } });
  }

  #list() {
    const { exports } = JSON.parse(new TextDecoder().decode(this.files.get("/deno.json"))) as { exports: object };
    const manifest = [...this.files].map(([path, bytes]) => {
      const checksum = `sha256-${createHash("sha256").update(bytes).digest("hex")}`;
      return [path, { size: bytes.length, checksum }] as const;
    });
    return { manifest: Object.fromEntries(manifest), exports };
  }
}
