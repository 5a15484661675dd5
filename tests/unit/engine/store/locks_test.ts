import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async";
import { join } from "node:path";
import { acquireLock } from "../../../../engine/store/locks.ts";
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
  await delay(60);
  assertEquals(got, false);
  assertEquals(told.length, 1);
  assertStringIncludes(told[0]!, `pid ${Deno.pid} on `);
  first![Symbol.dispose]();
  using held = await second;
  assert(held !== undefined);
  // Another file under the name would be another lock.
  assertEquals((await Deno.stat(path)).ino, ino);
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
