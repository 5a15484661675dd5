import { assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import type { CacheBackend, Content } from "../../../../engine/cache/backend.ts";
import { FolderBackend } from "../../../../engine/cache/folder_backend.ts";
import { PROBE, sha256Of } from "../../../../engine/cache/layout.ts";
import { S3Backend } from "../../../../engine/cache/s3_backend.ts";
import { digestsOf, endStates } from "../support/reach.ts";
import { Lab } from "../support/shared.ts";
import { makeTempFolder } from "../support/temp.ts";

const CHAIN = `name: p
stages:
  a: { uses: source, with: { text: long } }
  b: { uses: mix, inputs: { one: a } }
  c: { uses: walk, inputs: { from: b }, with: { steps: 2 } }
`;

/** As much of an S3 service as the engine asks for, which answers single requests as it is told. */
function serveBucket(fault: (method: string, path: string, nth: number) => Response | undefined) {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const asked = new Map<string, number>();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const { method } = request;
    const path = decodeURIComponent(new URL(request.url).pathname);
    const body = new Uint8Array(await request.arrayBuffer());
    const nth = (asked.get(`${method} ${path}`) ?? 0) + 1;
    asked.set(`${method} ${path}`, nth);
    const told = fault(method, path, nth);
    if (told !== undefined) return told;
    if (method === "PUT") {
      if (request.headers.get("if-none-match") === "*" && files.has(path)) return new Response(null, { status: 412 });
      files.set(path, body);
      return new Response(null);
    }
    const file = files.get(path);
    return file === undefined ? new Response(null, { status: 404 }) : new Response(method === "GET" ? file : null, {
      headers: { "content-length": String(file.length) },
    });
  });
  const { port } = server.addr;
  const settings = { base: `http://127.0.0.1:${port}/bucket`, region: "us-east-1", credentials: undefined };
  return { files, backend: () => new S3Backend(settings, ""), [Symbol.asyncDispose]: () => server.shutdown() };
}

/** A backend with some of its methods replaced. */
function withChanges(whole: CacheBackend, changes: Partial<CacheBackend>): CacheBackend {
  return {
    maxBytes: whole.maxBytes,
    open: (name, signal) => whole.open(name, signal),
    size: (name, signal) => whole.size(name, signal),
    create: (name, content, options) => whole.create(name, content, options),
    prepare: (signal) => whole.prepare(signal),
    ...changes,
  };
}

Deno.test("a single file that may not be read counts as absent, and all others still come", async () => {
  await using lab = await Lab.open();
  let closed = "";
  await using bucket = serveBucket((method, path) =>
    method === "GET" && path === closed ? new Response("<Code>AccessDenied</Code>", { status: 403 }) : undefined
  );
  lab.backend = bucket.backend();
  const first = await lab.run("one", CHAIN);
  const { sha256 } = first.stages.get("b")!.manifest!.outputs["out"]!.files[0]!;
  closed = [...bucket.files.keys()].find((path) => path.endsWith(sha256))!;
  lab.backend = bucket.backend();
  const second = await lab.run("two", CHAIN);
  assertEquals(endStates(second), "a: restored, b: ran, c: restored");
  assertEquals(digestsOf(second), digestsOf(first));
  assertEquals(lab.warnings.length, 1, lab.warnings.join("\n"));
  assertMatch(lab.warnings[0]!, /reading was denied: 403 AccessDenied; what it does not give is computed here/);
});

for (const [status, times] of [[409, 4], [429, 4], [503, 4]] as const) {
  Deno.test(`what is sent and answered ${status} ${times} times is sent once more, without a word`, async () => {
    await using lab = await Lab.open();
    // The first question of all, whether there is anybody, is repeated once.
    await using bucket = serveBucket((method, path, nth) =>
      method === "PUT" && nth <= (path.endsWith(PROBE) ? 1 : times) ? new Response(null, { status }) : undefined
    );
    lab.backend = bucket.backend();
    const ran = await lab.run("one", CHAIN);
    assertEquals(lab.warnings, []);
    const note = ran.events.findLast(({ type }) => type === "note");
    assertEquals(note, { type: "note", message: "3 results sent to the shared cache" });
  });
}

Deno.test("what is asked for and answered 503 twice is asked for once more, without a word", async () => {
  await using lab = await Lab.open();
  let busy = false;
  await using bucket = serveBucket((method, _path, nth) =>
    busy && method === "GET" && nth <= 2 ? new Response(null, { status: 503 }) : undefined
  );
  lab.backend = bucket.backend();
  await lab.run("one", CHAIN);
  busy = true;
  lab.backend = bucket.backend();
  assertEquals(endStates(await lab.run("two", CHAIN)), "a: restored, b: restored, c: restored");
  assertEquals(lab.warnings, []);
});

Deno.test("a file that stops coming is given up after a while, and the run goes on alone", async () => {
  await using lab = await Lab.open();
  const first = await lab.run("one", CHAIN);
  lab.backend = withChanges(lab.backend, {
    open: (name, signal) =>
      name.includes("/objects/")
        ? Promise.resolve({
          value: new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(1)) }),
        })
        : new FolderBackend(lab.cacheFolder).open(name).finally(() => signal.throwIfAborted()),
  });
  const second = await lab.run("two", CHAIN, { patience: { stallMs: 40 } });
  assertEquals(endStates(second), "a: ran, b: ran, c: ran");
  assertEquals(digestsOf(second), digestsOf(first));
  assertEquals(lab.warnings.length, 1, lab.warnings.join("\n"));
  assertMatch(lab.warnings[0]!, /cannot be read: no answer in time/);
});

Deno.test("a result that is larger than the service takes stays local, and the others are sent", async () => {
  await using lab = await Lab.open();
  const first = await lab.run("zero", CHAIN);
  const sizes = ["a", "b", "c"].map((id) => first.stages.get(id)!.manifest!.outputs["out"]!.files[0]!.size);
  Deno.removeSync(lab.cacheFolder, { recursive: true });
  const whole = new FolderBackend(lab.cacheFolder);
  lab.backend = withChanges(whole, { maxBytes: Math.max(...sizes) - 1 });
  const fitting = sizes.filter((size) => size < Math.max(...sizes)).length;
  await lab.run("one", CHAIN);
  assertEquals(lab.files("results").length, fitting);
  assertMatch(lab.warnings.join("\n"), /larger than the service takes at once/);
});

const contentOf = (text: string): Content => {
  const bytes = new TextEncoder().encode(text);
  return { sha256: sha256Of(bytes), size: bytes.length, from: { bytes } };
};

/** Let `Deno.link` fail as a file system would. */
function failLinks(code: string, times: number): Disposable {
  const link = Deno.link;
  Deno.link = (from, to) => {
    if (times-- > 0) return Promise.reject(Object.assign(new Error(code), { code }));
    return link(from, to);
  };
  return { [Symbol.dispose]: () => void (Deno.link = link) };
}

Deno.test("where there are no hard links, a file is renamed to its place unless somebody was first", async () => {
  await using folder = await makeTempFolder();
  using _fault = failLinks("EPERM", 1);
  const backend = new FolderBackend(folder.path);
  const options = { signal: new AbortController().signal, replace: false };
  assertEquals(await backend.create("v1/x/one", contentOf("one"), options), { value: "created" });
  assertEquals(await backend.create("v1/x/one", contentOf("two"), options), { value: "exists" });
  assertEquals(await Deno.readTextFile(join(folder.path, "v1/x/one")), "one");
  assertEquals([...Deno.readDirSync(join(folder.path, "tmp"))], []);
});

Deno.test("a disk that is full at a link is no file system without links", async () => {
  await using folder = await makeTempFolder();
  using _fault = failLinks("ENOSPC", 1);
  const backend = new FolderBackend(folder.path);
  const options = { signal: new AbortController().signal, replace: false };
  const refused = await backend.create("v1/x/one", contentOf("one"), options);
  assertEquals("trouble" in refused && refused.trouble.kind, "refused");
  assertEquals([...Deno.readDirSync(join(folder.path, "v1/x"))], []);
  assertEquals(await backend.create("v1/x/one", contentOf("one"), options), { value: "created" });
});

Deno.test("what killed writers left in a cache goes after a day, and not before", async () => {
  await using folder = await makeTempFolder();
  const tmp = join(folder.path, "tmp");
  Deno.mkdirSync(tmp);
  const hoursAgo = (hours: number) => Date.now() / 1_000 - hours * 3_600;
  for (const [name, hours] of [["old", 25], ["young", 23]] as const) {
    Deno.writeTextFileSync(join(tmp, name), "");
    Deno.utimeSync(join(tmp, name), hoursAgo(hours), hoursAgo(hours));
  }
  await new FolderBackend(folder.path).prepare();
  assertEquals([...Deno.readDirSync(tmp)].map(({ name }) => name), ["young"]);
});
