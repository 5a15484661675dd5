import { assertEquals } from "@std/assert";
import { delay } from "@std/async";
import { until } from "../../../support/until.ts";
import { makeTempFolder } from "../support/temp.ts";
import { openFreshStore } from "../support/manifest.ts";

Deno.test("who wants the store to itself gets it although holds overlap without a gap, and nothing is held meanwhile", async () => {
  await using folder = await makeTempFolder();
  const { guards } = openFreshStore(folder.path);
  let held = 0;
  let busy = true;
  const hold = async () => {
    while (busy) {
      using _still = await guards.acquireSharedGcLock();
      held++;
      await delay(20);
      held--;
    }
  };
  const holders = [0, 7, 13].map((start) => delay(start).then(hold));
  await until("somebody to hold it", () => held > 0);
  {
    using _alone = await guards.acquireExclusiveGcLock();
    assertEquals(held, 0);
    await delay(30);
    assertEquals(held, 0);
  }
  busy = false;
  await Promise.all(holders);
  using _again = await guards.acquireExclusiveGcLock();
});

Deno.test("who stops waiting for the store holds nothing", async () => {
  await using folder = await makeTempFolder();
  const { guards } = openFreshStore(folder.path);
  const alone = await guards.acquireExclusiveGcLock();
  const stop = new AbortController();
  const waiting = guards.acquireSharedGcLock(stop.signal);
  await delay(10);
  stop.abort();
  assertEquals(await waiting, undefined);
  alone[Symbol.dispose]();
  using _next = await guards.acquireExclusiveGcLock();
});
