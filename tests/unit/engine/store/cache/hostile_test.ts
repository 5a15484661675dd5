import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname, join } from "node:path";
import type { CacheBackend } from "../../../../../engine/store/cache/backend.ts";
import { CacheClient } from "../../../../../engine/store/cache/client.ts";
import { S3Backend } from "../../../../../engine/store/cache/s3_backend.ts";
import { MAX_RECORD_BYTES } from "../../../../../engine/store/reading.ts";
import { hasProgram } from "../../../../support/proc.ts";
import { digestsOf, endStates } from "../../support/reach.ts";
import { Lab } from "../../support/shared.ts";
import { timeIn } from "../../../../support/clock.ts";

const ONE = "name: p\nstages:\n  a: { uses: source }\n";

const ODD: Readonly<Record<string, (path: string) => void>> = {
  folder: (path) => Deno.mkdirSync(path),
  device: (path) => Deno.symlinkSync("/dev/zero", path),
  loop: (path) => Deno.symlinkSync(path, path),
  ...hasProgram("mkfifo")
    ? { pipe: (path: string) => void new Deno.Command("mkfifo", { args: [path] }).outputSync() }
    : {},
};

for (const [what, put] of Object.entries(ODD)) {
  Deno.test(`a ${what} in a shared folder in the place of what belongs there is damage, and nobody waits for it`, async () => {
    for (const kind of ["results", "objects"] as const) {
      await using lab = await Lab.open();
      const first = await lab.run("one", ONE);
      for (const path of lab.files(kind)) {
        Deno.removeSync(path);
        put(path);
      }
      const second = await lab.run("two", ONE);
      assertEquals(endStates(second), "a: ran", `${what} for ${kind}`);
      assertEquals(digestsOf(second), digestsOf(first));
      const said = [...lab.warnings, ...second.notes].join("\n");
      assertMatch(said, what === "folder" ? /was not sent: \/\S+: it is a folder; a later run/ : /./);
      assert(!said.includes("os error"), said);
    }
  });
}

Deno.test("a link in a shared folder leads no write and no sweep out of it", async () => {
  for (const linked of ["tmp", "v1", "v1/objects", "v1/results"]) {
    await using lab = await Lab.open();
    const elsewhere = lab.machine("elsewhere");
    const old = timeIn({ hours: -100 }) / 1_000;
    const mine = join(elsewhere, crypto.randomUUID());
    Deno.writeTextFileSync(mine, "the user's own");
    Deno.utimeSync(mine, old, old);
    const link = join(lab.cacheFolder, linked);
    Deno.mkdirSync(dirname(link), { recursive: true });
    Deno.symlinkSync(elsewhere, link);
    assertEquals(endStates(await lab.run("one", ONE)), "a: ran");
    assertEquals(Array.from(Deno.readDirSync(elsewhere), ({ name }) => join(elsewhere, name)), [mine], linked);
    assertStringIncludes(lab.warnings.join("\n"), `${link} is a link or a file, and has to be a folder`);
  }
});

/** Returns an endless body, and how much of it was requested. */
function endless(chunk: Uint8Array<ArrayBuffer>, everyMs = 0, onChunk = () => {}) {
  const seen = { bytes: 0, cancelled: false };
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: async (controller) => {
      if (everyMs > 0) await new Promise((resolve) => setTimeout(resolve, everyMs));
      seen.bytes += chunk.length;
      onChunk();
      controller.enqueue(chunk);
    },
    cancel: () => void (seen.cancelled = true),
  });
  return { seen, body };
}

for (
  const [what, part, most] of [["record", "/results/", MAX_RECORD_BYTES], ["object", "/objects/", 4 << 20]] as const
) {
  Deno.test(`${what === "record" ? "a record" : "an object"} that a shared cache sends without end is cut off`, async () => {
    await using lab = await Lab.open();
    const first = await lab.run("one", ONE);
    const whole = lab.backend;
    const opened: ReturnType<typeof endless>["seen"][] = [];
    lab.backend = {
      ...whole,
      open: async (name, signal) => {
        if (!name.includes(part)) return await whole.open(name, signal);
        const { seen, body } = endless(new Uint8Array(1 << 20));
        opened.push(seen);
        return { value: body };
      },
    };
    const second = await lab.run("two", ONE, { mode: "read" });
    assertEquals(endStates(second), "a: ran");
    assertEquals(digestsOf(second), digestsOf(first));
    // Some more bytes may be ready before they are requested.
    assert(opened.length > 0 && opened.every(({ cancelled }) => cancelled));
    for (const { bytes } of opened) assert(bytes <= most + (3 << 20), `${bytes} bytes`);
    assertStringIncludes([...lab.warnings, ...second.notes].join("\n"), "damaged");
  });
}

Deno.test("of records that a shared cache sends without end one at a time is held in memory", async () => {
  const chunk = new Uint8Array(1 << 20);
  const opened: ReturnType<typeof endless>["seen"][] = [];
  let held = 0;
  const open = () => {
    const { seen, body } = endless(chunk, 0, () => {
      const bytes = opened.filter(({ cancelled }) => !cancelled).reduce((sum, { bytes }) => sum + bytes, 0);
      held = Math.max(held, bytes);
    });
    opened.push(seen);
    return Promise.resolve({ value: body });
  };
  const stop = new AbortController();
  const client = new CacheClient({ open } as unknown as CacheBackend, { name: "", warn: () => {}, stop: stop.signal });
  const contents = await Promise.all([1, 2, 3, 4].map((name) => client.read(`${name}`)));
  assertEquals(contents.map((content) => content?.length), [0, 0, 0, 0]);
  // The rest is the amount that each request may have received before it turned out to be large.
  assert(held > MAX_RECORD_BYTES && held < MAX_RECORD_BYTES + (16 << 20), `${held} bytes`);
});

Deno.test("a file that a shared cache sends drop by drop is given up, though no drop is late", async () => {
  await using lab = await Lab.open();
  await lab.run("one", ONE);
  const whole = lab.backend;
  const open = lab.readFromMemory();
  const { seen, body } = endless(new Uint8Array(1), 5);
  lab.backend = {
    ...whole,
    open: async (name, signal) => name.includes("/results/") ? { value: body } : await open(name, signal),
  };
  const second = await lab.run("two", ONE, { mode: "read", patience: { answerMs: 30, stallMs: 10_000 } });
  assertEquals(endStates(second), "a: ran");
  assert(seen.cancelled);
  assertStringIncludes(lab.warnings.join("\n"), "it is too slow; going on with the local store only");
});

Deno.test("a service whose error has no end is understood from its beginning", async () => {
  const { seen, body } = endless(new TextEncoder().encode("<Code>AccessDenied</Code>".padEnd(1 << 16)));
  const served = { hostname: "127.0.0.1", port: 0, onListen: () => {}, onError: () => new Response(null) };
  await using server = Deno.serve(served, () => new Response(body, { status: 403 }));
  const base = `http://127.0.0.1:${server.addr.port}/bucket`;
  const backend = new S3Backend({ base, region: "r", credentials: undefined }, "");
  const stop = new AbortController();
  const answer = await backend.open("v1/any", stop.signal);
  assert("trouble" in answer);
  assertEquals([answer.trouble.kind, answer.trouble.message], ["denied", "403 AccessDenied"]);
  // The connection may buffer a few megabytes on the way.
  assert(seen.bytes < 64 << 20, `${seen.bytes} bytes`);
});
