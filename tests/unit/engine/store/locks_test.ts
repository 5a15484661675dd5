import { assert, assertEquals, assertMatch } from "@std/assert";
import { delay } from "@std/async";
import { join } from "node:path";
import { acquireLock, isFolderLocked, lockFolder } from "../../../../engine/store/locks.ts";
import { RunStore } from "../../../../engine/store/runs.ts";
import { allowWritesBelow } from "../../../../engine/store/write_roots.ts";
import { setOperationHook } from "../../../support/operations.ts";
import { until } from "../../../support/until.ts";
import { makeTempFolder } from "../support/temp.ts";

Deno.test("acquireLock() lets a second holder wait, tells who holds it, and goes on when it is released", async () => {
  await using folder = await makeTempFolder();
  const path = join(folder.path, "a.lock");
  const first = await acquireLock(path);
  const { ino } = await Deno.stat(path);
  const told: string[] = [];
  let got = false;
  const second = acquireLock(path, { onWait: (holder) => told.push(holder) }).then((lock) => {
    got = true;
    return lock;
  });
  await until("word of who holds it", () => told.length > 0);
  await delay(60);
  assertEquals(got, false);
  assertEquals(told.length, 1);
  assertEquals(told, ["another part of this process"]);
  assertMatch(await Deno.readTextFile(path), new RegExp(`^pid ${Deno.pid} on .`));
  first![Symbol.dispose]();
  using held = await second;
  assert(held !== undefined);
  // Another file with this name would be another lock.
  assertEquals((await Deno.stat(path)).ino, ino);
});

Deno.test("acquireLock() says nothing of a lock that is held for a moment, as by a program that is being started", async () => {
  await using folder = await makeTempFolder();
  const path = join(folder.path, "a.lock");
  const first = await acquireLock(path);
  const told: string[] = [];
  let tries = 0;
  setOperationHook((operation) => operation === "lock" && ++tries === 3 && first![Symbol.dispose]());
  using held = await acquireLock(path, { onWait: (holder) => told.push(holder) })
    .finally(() => setOperationHook(undefined));
  assertEquals([held !== undefined, tries, told], [true, 3, []]);
});

Deno.test("acquireLock() gives up when the signal fires, and leaves the lock to its holder", async () => {
  await using folder = await makeTempFolder();
  const path = join(folder.path, "a.lock");
  using _first = await acquireLock(path);
  const stop = new AbortController();
  const second = acquireLock(path, { signal: stop.signal });
  stop.abort();
  assertEquals(await second, undefined);
});

Deno.test("the lock of a process that was killed is free", async () => {
  await using folder = await makeTempFolder();
  const path = join(folder.path, "a.lock");
  const code = `const f = Deno.openSync(${JSON.stringify(path)}, { write: true, create: true });
    f.lockSync(true); console.log("held"); setInterval(() => {}, 1000);`;
  const child = new Deno.Command(Deno.execPath(), { args: ["eval", code], stdout: "piped", stderr: "null" }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  const waiting = acquireLock(path);
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
  using held = await waiting;
  assert(held !== undefined);
});

Deno.test("a folder is seen to be held until it is let go; what is no folder tells nothing, so it counts as held", async () => {
  await using folder = await makeTempFolder();
  assertEquals(isFolderLocked(folder.path), false);
  const held = lockFolder(folder.path)!;
  assertEquals([isFolderLocked(folder.path), isFolderLocked(folder.path)], [true, true]);
  held[Symbol.dispose]();
  assertEquals(isFolderLocked(folder.path), false);
  assertEquals([lockFolder(join(folder.path, "none")), isFolderLocked(join(folder.path, "none"))], [undefined, true]);
});

Deno.test("a run holds its folder from its start to its end", async () => {
  await using folder = await makeTempFolder();
  allowWritesBelow(folder.path);
  const runs = new RunStore(folder.path);
  const started = {
    startedAt: "2026-11-25T10:15:02.000Z",
    endedAt: null,
    pid: Deno.pid,
    host: "h",
    versions: {},
    stages: {},
  };
  const record = {
    format: 1,
    runId: "r",
    pipeline: "p",
    file: "p.yaml",
    overrides: [],
    status: "running",
    ...started,
  } as const;
  runs.start({ ...record, overrides: [] });
  assertEquals(isFolderLocked(runs.folderOf("r")), true);
  runs.write({ ...record, overrides: [] });
  assertEquals(isFolderLocked(runs.folderOf("r")), true);
  runs.write({ ...record, overrides: [], status: "done" });
  assertEquals(isFolderLocked(runs.folderOf("r")), false);
});
