import { createHash } from "node:crypto";
import { unpackTar } from "modern-tar";

/** A stand-in for the registry jsr.io: takes one package from `deno publish` and serves it. */
export interface Registry extends AsyncDisposable {
  /** For the variable JSR_URL. */
  readonly url: string;
  /** Paths that were asked for. */
  readonly asked: readonly string[];
  /** Files of the published package by path. */
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

const TYPES: Readonly<Record<string, string>> = {
  ts: "application/typescript",
  js: "application/javascript",
  json: "application/json",
};

/** What the registry lists of one version. */
function listVersion(files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>) {
  const { exports } = JSON.parse(new TextDecoder().decode(files.get("/deno.json"))) as { exports: object };
  const manifest = Object.fromEntries(
    [...files].map(([path, bytes]) => {
      const checksum = `sha256-${createHash("sha256").update(bytes).digest("hex")}`;
      return [path, { size: bytes.length, checksum }];
    }),
  );
  return { manifest, exports };
}

async function unpack(body: ReadableStream<Uint8Array<ArrayBuffer>>) {
  const tar = await new Response(body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  const entries = await unpackTar(tar);
  return new Map(
    entries.filter(({ header }) => header.type === "file").map(({ header, data }) => [
      `/${header.name.replace(/^\.?\//, "")}`,
      new Uint8Array(data ?? []),
    ]),
  );
}

export function startRegistry(): Registry {
  let files: ReadonlyMap<string, Uint8Array<ArrayBuffer>> = new Map();
  let name = "";
  let version = "";
  const asked: string[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    asked.push(pathname);
    const published = /^\/api\/scopes\/(.+)\/packages\/(.+)\/versions\/(.+)$/.exec(pathname);
    if (published !== null && request.method === "POST") {
      files = await unpack(request.body!);
      [name, version] = [`/@${published[1]}/${published[2]}`, published[3]!];
      return Response.json({ id: "1", status: "success", error: null });
    }
    if (published !== null) return Response.json({ code: "packageVersionNotFound", message: "" }, { status: 404 });
    if (pathname.startsWith("/api/")) return Response.json({});
    if (name !== "" && pathname === `${name}/meta.json`) {
      const [scope, short] = name.slice(2).split("/");
      return Response.json({ scope, name: short, latest: version, versions: { [version]: {} } });
    }
    if (name !== "" && pathname === `${name}/${version}_meta.json`) return Response.json(listVersion(files));
    const file = files.get(pathname.slice(`${name}/${version}`.length));
    if (name === "" || file === undefined) return new Response("not found", { status: 404 });
    const type = TYPES[pathname.split(".").at(-1)!] ?? "text/plain";
    return new Response(file, { headers: { "content-type": type } });
  });
  return {
    url: `http://127.0.0.1:${(server.addr as Deno.NetAddr).port}/`,
    asked,
    get files() {
      return files;
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
