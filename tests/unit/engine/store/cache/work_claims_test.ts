import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CacheClient } from "../../../../../engine/store/cache/client.ts";
import { type CacheBackend, trouble } from "../../../../../engine/store/cache/backend.ts";
import { FolderBackend } from "../../../../../engine/store/cache/folder_backend.ts";
import { claimName, resultName } from "../../../../../engine/store/cache/layout.ts";
import { S3Backend } from "../../../../../engine/store/cache/s3_backend.ts";
import { type HeldClaim, WorkClaims } from "../../../../../engine/store/cache/work_claims.ts";
import { sha256Of } from "../../../../../engine/store/reading.ts";
import { TinyS3 } from "../../../../support/tiny_s3.ts";
import { Lab } from "../../support/shared.ts";
import { makeTempFolder } from "../../support/temp.ts";

const KEY = "ab".repeat(32);
const never = new AbortController().signal;

/** Returns the claims of one machine on a cache. No machine checks the cache more often than every few milliseconds. */
function machine(backend: CacheBackend, lookMs = 3): WorkClaims {
  return new WorkClaims(new CacheClient(backend, { name: "c", warn: () => {}, stop: never, patience: { lookMs } }));
}

const isHeld = (one: Awaited<ReturnType<WorkClaims["take"]>>): one is HeldClaim =>
  one !== "published" && Symbol.asyncDispose in one;

async function publish(backend: CacheBackend): Promise<void> {
  const bytes = new TextEncoder().encode("a result");
  const content = { sha256: sha256Of(bytes), size: bytes.length, from: { bytes } };
  await backend.create(resultName(KEY), content, { signal: never, replace: false });
}

const BACKENDS: Readonly<Record<string, (test: (backend: CacheBackend) => Promise<void>) => Promise<void>>> = {
  "a folder": async (test) => {
    await using folder = await makeTempFolder();
    await test(new FolderBackend(join(folder.path, "cache")));
  },
  "S3": async (test) => {
    await using service = new TinyS3();
    await test(new S3Backend({ base: service.base, region: "r", credentials: undefined }, "p"));
  },
};

for (const [place, withBackend] of Object.entries(BACKENDS)) {
  Deno.test(`in ${place}, a claim is one machine's until it is given up, its result is there, or it changes no more`, async () => {
    await withBackend(async (backend) => {
      // Others wait for a machine that renews its claim, however slow the clocks are; once it gives up the claim, the
      // next machine gets it.
      const [one, two] = [machine(backend), machine(backend)];
      const first = await one.take(KEY);
      assert(isHeld(first));
      const seen = await two.take(KEY);
      assert(!isHeld(seen) && seen !== "published");
      let ended = false;
      const waiting = two.wait(KEY, seen, never).then(() => ended = true);
      await new Promise((resolve) => setTimeout(resolve, 100));
      assertEquals(ended, false);
      await first[Symbol.asyncDispose]();
      await waiting;
      const second = await two.take(KEY);
      assert(isHeld(second));

      // Once its machine is gone, a claim blocks nobody for longer than some looks.
      const silent = machine(backend, 1e9);
      await second[Symbol.asyncDispose]();
      assert(isHeld(await silent.take(KEY)));
      const left = await one.take(KEY);
      assert(!isHeld(left) && left !== "published");
      await one.wait(KEY, left, never);
      const third = await one.take(KEY);
      assert(isHeld(third));

      // The claim is held until its result is sent; a published result is not computed again.
      const sending = Promise.withResolvers<void>();
      third.until(sending.promise);
      await third[Symbol.asyncDispose]();
      assert(!isHeld(await two.take(KEY)));
      await publish(backend);
      sending.resolve();
      assertEquals(await two.take(KEY), "published");
      // The claim is given up without its user's knowledge.
      for (let text = ""; !text.includes('"beat":-1');) {
        const opened = await backend.open(claimName(KEY), never);
        text = "value" in opened ? await new Response(opened.value ?? null).text() : "";
      }
    });
  });
}

Deno.test("what is no claim blocks nobody, and a place that cannot be written to costs none of the work", async () => {
  await using folder = await makeTempFolder();
  const cache = join(folder.path, "cache");
  Deno.mkdirSync(join(cache, claimName(KEY), ".."), { recursive: true });
  for (const text of ["", "{}", "no claim\n", "x".repeat(1 << 20)]) {
    Deno.writeTextFileSync(join(cache, claimName(KEY)), text);
    const held = await machine(new FolderBackend(cache)).take(KEY);
    assert(isHeld(held));
    await held[Symbol.asyncDispose]();
  }
  Deno.writeTextFileSync(join(folder.path, "file"), "");
  const held = await machine(new FolderBackend(join(folder.path, "file", "cache"))).take(KEY);
  assert(isHeld(held));
  await held[Symbol.asyncDispose]();
});

Deno.test("a result that is there and cannot be served is looked for once, then made without a claim", async () => {
  await using lab = await Lab.open();
  const first = lab.cache({ patience: { lookMs: 3 } });
  const held = await first.claim(KEY, never, () => {});
  await held![Symbol.asyncDispose]();
  await publish(lab.backend);
  const second = lab.cache({ patience: { lookMs: 3 } });
  assertEquals(await second.claim(KEY, never, () => {}), undefined);
  assert(await second.claim(KEY, never, () => {}) !== undefined);
});

Deno.test("a place that takes no claims is asked once, not for each stage", async () => {
  await using folder = await makeTempFolder();
  const inner = new FolderBackend(join(folder.path, "cache"));
  let writes = 0;
  const backend: CacheBackend = {
    place: inner.place,
    maxBytes: inner.maxBytes,
    prepare: () => inner.prepare(),
    open: (name) => inner.open(name),
    size: (name) => inner.size(name),
    create: () => {
      writes++;
      return Promise.resolve(trouble("denied", "not yours"));
    },
  };
  const claims = machine(backend);
  for (const digit of "0123456789") assert(isHeld(await claims.take(digit.repeat(64))));
  assertEquals(writes, 1);
});

Deno.test("the claim of a process that was killed on this machine is nobody's at once", async () => {
  await using folder = await makeTempFolder();
  const cache = join(folder.path, "cache");
  const modules = ["folder_backend", "client", "work_claims"];
  const [backend, client, claims] = modules.map((name) =>
    import.meta.resolve(`../../../../../engine/store/cache/${name}.ts`)
  );
  const script = join(folder.path, "claim.ts");
  Deno.writeTextFileSync(
    script,
    `import { FolderBackend } from ${JSON.stringify(backend)};
import { CacheClient } from ${JSON.stringify(client)};
import { WorkClaims } from ${JSON.stringify(claims)};
const options = { name: "c", warn: () => {}, stop: new AbortController().signal };
await new WorkClaims(new CacheClient(new FolderBackend(Deno.args[0]), options)).take("${KEY}");
Deno.kill(Deno.pid, "SIGKILL");
`,
  );
  const config = import.meta.resolve("../../../../../deno.json");
  const args = ["run", "-A", "--no-check", "--config", fileURLToPath(config), script, cache];
  const { signal, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  assertEquals(signal, "SIGKILL", new TextDecoder().decode(stderr));
  assert(Deno.statSync(join(cache, claimName(KEY))).isFile);
  const held = await machine(new FolderBackend(cache), 1e9).take(KEY);
  assert(isHeld(held));
  await held[Symbol.asyncDispose]();
});
