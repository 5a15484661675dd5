import { assertEquals, assertRejects } from "@std/assert";
import { delay } from "@std/async";
import { Semaphore } from "../../../std/semaphore.ts";

Deno.test("map() does so much at a time and gives results in the order of the items", async () => {
  let now = 0;
  let most = 0;
  const found = await new Semaphore(3).map([5, 1, 4, 2, 3], async (item) => {
    most = Math.max(most, ++now);
    await delay(item);
    now--;
    return item * 2;
  });
  assertEquals([found, most], [[10, 2, 8, 4, 6], 3]);
});

Deno.test("after a failure map() begins nothing more, and ends when all that has begun has ended", async () => {
  const begun: number[] = [];
  let ended = 0;
  const failing = new Semaphore(2).map([1, 2, 3, 4, 5], async (item) => {
    begun.push(item);
    await delay(item === 1 ? 1 : 20);
    ended++;
    if (item === 1) throw new Error("no");
  });
  await assertRejects(() => failing, Error, "no");
  assertEquals([begun, ended], [[1, 2], 2]);
});
