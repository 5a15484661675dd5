import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ProgressUpdate, StageEnd } from "../../../engine/contract/stage.ts";
import { download } from "../../../std/download.ts";
import { FileServer } from "../../support/file_server.ts";
import { until } from "../../support/until.ts";
import { withFolder } from "../stages/small_world.ts";

const BYTES = Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) % 251);
const SHA256 = createHash("sha256").update(BYTES).digest("hex");
const SPOILED = BYTES.with(1000, BYTES[1000]! ^ 1);

interface Try {
  readonly got: string | StageEnd;
  readonly warnings: readonly string[];
  readonly updates: readonly ProgressUpdate[];
}

/** Silence after which a server that hangs is given up: long enough for one that answers on a busy machine. */
const SILENCE_MS = 300;

async function fetchTo(
  folder: string,
  urls: readonly string[],
  { stop = new AbortController().signal, maxBytes = BYTES.length, redirects = [] as string[], stallMs = 20_000 } = {},
): Promise<Try> {
  const warnings: string[] = [];
  const updates: ProgressUpdate[] = [];
  const got = await download({ name: "path", sha256: SHA256, maxBytes, urls, redirects }, folder, {
    stop,
    stallMs,
    waitMs: 10,
    report: (update) => updates.push(update),
    warn: (message) => warnings.push(message),
  });
  return { got, warnings, updates };
}

function messageOf({ got }: Try): string {
  return typeof got !== "string" && got.status === "failed" ? got.message : `no failure: ${JSON.stringify(got)}`;
}

async function assertFetched(folder: string, { got }: Try): Promise<void> {
  assertEquals(got, join(folder, SHA256));
  assertEquals(await Deno.readFile(join(folder, SHA256)), BYTES);
}

/** Returns a port where nothing listens. */
function closedPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Registers a test with a folder and a server, both gone afterwards. */
function withServer(name: string, body: (folder: string, server: FileServer) => Promise<void>): void {
  Deno.test(name, () =>
    withFolder(async (folder) => {
      await using server = new FileServer();
      await body(folder, server);
    }));
}

withServer("download() fetches once, tells how far it is, and keeps the file", async (folder, server) => {
  const url = server.serve("/file", { bytes: BYTES });
  const first = await fetchTo(folder, [url]);
  await assertFetched(folder, first);
  assertEquals(first.updates.at(-1), { done: 0, total: 1, unit: "MB" });
  await assertFetched(folder, await fetchTo(folder, [url]));
  assertEquals(server.seen, [{ path: "/file", range: null }]);
  assertEquals(Array.from(Deno.readDirSync(folder), ({ name }) => name).sort(), [SHA256, `${SHA256}.lock`]);
});

withServer("download() fetches a kept file again when its bytes are no longer right", async (folder, server) => {
  const url = server.serve("/file", { bytes: BYTES });
  await Deno.writeFile(join(folder, SHA256), SPOILED);
  const again = await fetchTo(folder, [url]);
  await assertFetched(folder, again);
  assertStringIncludes(again.warnings.join(), "is damaged; fetching it again");
});

withServer("download() continues after a broken connection with the bytes that lack", async (folder, server) => {
  const url = server.serve("/file", { bytes: BYTES, after: 100_000, then: "break" }, { bytes: BYTES });
  await assertFetched(folder, await fetchTo(folder, [url]));
  assertEquals(server.seen.map(({ range }) => range), [null, "bytes=100000-"]);
});

withServer("download() continues what an earlier run left", async (folder, server) => {
  await Deno.writeFile(join(folder, `${SHA256}.part`), BYTES.subarray(0, 200_000));
  await assertFetched(folder, await fetchTo(folder, [server.serve("/file", { bytes: BYTES })]));
  assertEquals(server.seen, [{ path: "/file", range: "bytes=200000-" }]);
});

withServer("download() takes a part that is the whole file already", async (folder, server) => {
  await Deno.writeFile(join(folder, `${SHA256}.part`), BYTES);
  await assertFetched(folder, await fetchTo(folder, [server.serve("/file", { bytes: BYTES })]));
});

withServer("download() begins again at a server without ranges", async (folder, server) => {
  await Deno.writeFile(join(folder, `${SHA256}.part`), BYTES.subarray(0, 200_000));
  await assertFetched(folder, await fetchTo(folder, [server.serve("/file", { bytes: BYTES, ranges: false })]));
});

withServer("download() drops a part that does not fit and fetches the whole", async (folder, server) => {
  await Deno.writeFile(join(folder, `${SHA256}.part`), SPOILED.subarray(0, 200_000));
  await assertFetched(folder, await fetchTo(folder, [server.serve("/file", { bytes: BYTES })]));
  assertEquals(server.seen.map(({ range }) => range), ["bytes=200000-", null]);
});

withServer("download() gives up a server that falls silent and takes the next", async (folder, server) => {
  const slow = server.serve("/slow", { bytes: BYTES, after: 50_000, then: "hang" });
  const good = server.serve("/good", { bytes: BYTES });
  const outcome = await fetchTo(folder, [slow, good], { stallMs: SILENCE_MS });
  await assertFetched(folder, outcome);
  assertEquals(outcome.warnings, [`cannot fetch ${slow}: less than 66 kB came in 0.3 s`]);
  // Three tries at the slow address, each continuing the previous one; the mirror provides the rest.
  assertEquals(server.seen.at(-1), { path: "/good", range: "bytes=150000-" });
});

withServer(
  "download() follows a redirect beyond its addresses to hosts that are declared alone",
  async (folder, server) => {
    await using store = new FileServer();
    const url = server.serve("/file", { status: 302, location: store.serve("/stored", { bytes: BYTES }) });
    assertStringIncludes(messageOf(await fetchTo(folder, [url])), "a host that is not declared");
    await assertFetched(folder, await fetchTo(folder, [url], { redirects: [store.host] }));
  },
);

withServer("download() takes the next address where one redirects to what is none", async (folder, server) => {
  const lost = server.serve("/lost", { status: 302, location: "http://[" });
  const outcome = await fetchTo(folder, [lost, server.serve("/good", { bytes: BYTES })]);
  await assertFetched(folder, outcome);
  assertEquals(outcome.warnings, [`cannot fetch ${lost}: it redirects to http://[, which is not a valid address`]);
});

/** Runs a server that answers everything with a body that is generated piece by piece, without a declared length. */
async function withBody(
  body: () => ReadableStream<Uint8Array<ArrayBuffer>>,
  use: (url: string) => Promise<void>,
  headers: Record<string, string> = {},
) {
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {}, onError: () => new Response(null) };
  await using server = Deno.serve(options, () => new Response(body(), { headers }));
  await use(`http://127.0.0.1:${server.addr.port}/file`);
}

/** Returns an endless stream, with this many bytes every few milliseconds. */
function endless(bytes: number, everyMs = 0) {
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: async (controller) => {
      if (everyMs > 0) await new Promise((resolve) => setTimeout(resolve, everyMs));
      controller.enqueue(new Uint8Array(bytes));
    },
  });
}

Deno.test("download() gives up a server that sends drop by drop, though no drop is late", () =>
  withFolder((folder) =>
    withBody(() => endless(1, 20), async (url) => {
      assertStringIncludes(
        messageOf(await fetchTo(folder, [url], { stallMs: SILENCE_MS })),
        "less than 66 kB came in 0.3 s",
      );
    })
  ));

Deno.test("download() gives up a pace at which the file would take more than a day", () =>
  withFolder((folder) =>
    // 64 GiB in a day are 239 kB in 0.3 s; about 100 kB arrive.
    withBody(() => endless(1 << 16, 200), async (url) => {
      assertStringIncludes(
        messageOf(await fetchTo(folder, [url], { maxBytes: 2 ** 36, stallMs: SILENCE_MS })),
        "less than 239 kB came in 0.3 s",
      );
    })
  ));

Deno.test("download() lets go of what is longer than the file, and goes on with another address", () =>
  withFolder((folder) =>
    withBody(() => endless(1 << 16), async (url) => {
      await using server = new FileServer();
      const good = server.serve("/good", { bytes: BYTES });
      const outcome = await fetchTo(folder, [url, good]);
      await assertFetched(folder, outcome);
      assertEquals(outcome.warnings, [`cannot fetch ${url}: more than 300000 bytes arrived`]);
      // A partial file that led to failure is not continued.
      assertEquals(server.seen, [{ path: "/good", range: null }]);
    })
  ));

Deno.test("download() reads nothing of what says that it is longer than the file, and keeps the part that is there", () =>
  withFolder(async (folder) => {
    await using server = new FileServer();
    const half = server.serve("/half", { bytes: BYTES, after: 40_000, then: "hang" });
    const good = server.serve("/good", { bytes: BYTES });
    await withBody(() => endless(1 << 16), async (url) => {
      const outcome = await fetchTo(folder, [half, url, good], { stallMs: SILENCE_MS });
      await assertFetched(folder, outcome);
      assertEquals(outcome.warnings.slice(1), [
        `cannot fetch ${url}: it says that it is 10000000000000 bytes long, and at most 300000 were expected`,
      ]);
      assertEquals(server.seen.at(-1)?.range, "bytes=120000-");
    }, { "content-length": "10000000000000" });
  }));

withServer("download() names every address and why it did not give the file", async (folder, server) => {
  const missing = server.serve("/missing", { status: 404 });
  const broken = server.serve("/broken", { status: 503 });
  const wrong = server.serve("/wrong", { bytes: SPOILED });
  const other = server.serve("/other", { bytes: BYTES.subarray(0, 1) });
  const elsewhere = server.serve("/elsewhere", { status: 302, location: "http://example.invalid/file" });
  const circle = server.serve("/circle", { status: 302, location: "/circle" });
  const closed = `http://127.0.0.1:${closedPort()}/file`;
  const urls = [missing, broken, wrong, other, elsewhere, circle, closed];
  const message = messageOf(await fetchTo(folder, urls));
  const lines = message.split("\n");
  assertEquals(lines[0], "cannot fetch missing from any of 7 addresses:");
  assertEquals(lines.length, 8);
  const wanted = [
    "HTTP 404 Not Found",
    "HTTP 503 Service Unavailable",
    `wanted ${SHA256}`,
    `wanted ${SHA256}`,
    "it redirects to http://example.invalid/file, a host that is not declared",
    "more than 5 redirects",
    "Connection refused",
  ];
  wanted.forEach((text, i) => {
    assert(lines[i + 1]!.startsWith(`  ${urls[i]}: `), lines[i + 1]);
    assertStringIncludes(lines[i + 1]!, text);
  });
  // A server that may recover is tried three times, a server that refuses once.
  const asked = (path: string) => server.seen.filter((request) => request.path === path).length;
  assertEquals([asked("/missing"), asked("/broken"), asked("/wrong")], [1, 3, 1]);
  // None of the received bytes is used as the file, or as a part of it.
  assertEquals((await Deno.readFile(join(folder, `${SHA256}.part`))).length, 0);
  assert(Array.from(Deno.readDirSync(folder)).every(({ name }) => name !== SHA256));
});

withServer("download() follows redirects to hosts that are declared", async (folder, server) => {
  const url = server.serve("/old", { status: 301, location: "/new" });
  server.serve("/new", { bytes: BYTES });
  await assertFetched(folder, await fetchTo(folder, [url]));
});

withServer("download() stops when asked to, and the next run continues", async (folder, server) => {
  const url = server.serve("/file", { bytes: BYTES, after: 120_000, then: "hang" }, { bytes: BYTES });
  const stop = new AbortController();
  const part = join(folder, `${SHA256}.part`);
  const fetching = fetchTo(folder, [url], { stop: stop.signal });
  await until("what the server gives", () => existsSync(part) && Deno.statSync(part).size === 120_000);
  stop.abort();
  assertEquals((await fetching).got, { status: "interrupted", step: 0 });
  await assertFetched(folder, await fetchTo(folder, [url]));
  assertEquals(server.seen.map(({ range }) => range), [null, "bytes=120000-"]);
});

withServer("download() lets one of two fetch and the other take what came", async (folder, server) => {
  const url = server.serve("/file", { bytes: BYTES });
  for (const outcome of await Promise.all([fetchTo(folder, [url]), fetchTo(folder, [url])])) {
    await assertFetched(folder, outcome);
  }
  assertEquals(server.seen.length, 1);
});
