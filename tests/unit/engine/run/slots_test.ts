import { assertEquals } from "@std/assert";
import { delay } from "@std/async";
import { type SlotOptions, Slots } from "../../../../engine/run/slots.ts";
import { makeTempFolder } from "../support/temp.ts";

const never = new AbortController().signal;

/** Returns true if a promise is still open after the microtasks and a moment for its timers. */
async function isOpen(promise: Promise<unknown>): Promise<boolean> {
  return await Promise.race([promise.then(() => false), delay(20).then(() => true)]);
}

const slots = (more: Partial<SlotOptions>) => new Slots({ jobs: 9, cpus: 4, gpus: [], ...more });

Deno.test("take() gives at most as many stages slots as there are jobs", async () => {
  const two = slots({ jobs: 2 });
  const first = await two.take({}, never);
  using _second = await two.take({}, never);
  const third = two.take({}, never);
  assertEquals(await isOpen(third), true);
  first![Symbol.dispose]();
  using held = await third;
  assertEquals(held!.gpus, []);
});

Deno.test("release() lets the next stage go on once, and with one job only at the end of the scope", async () => {
  for (const [jobs, open] of [[2, false], [1, true]] as const) {
    const few = slots({ jobs, cpus: 1 });
    const first = await few.take({}, never);
    const second = few.take({}, never);
    first!.release();
    assertEquals(await isOpen(second), open);
    first![Symbol.dispose]();
    using _held = await second;
    // A slot that was released twice would be available to a third.
    assertEquals(await isOpen(few.take({}, never)), true);
  }
});

Deno.test("take() counts cpu slots, one where a stage does not say, and gives what there is to who wants more", async () => {
  const four = slots({});
  using _big = await four.take({ cpu: 3 }, never);
  const one = await four.take({}, never);
  const huge = four.take({ cpu: 99 }, never);
  assertEquals(await isOpen(huge), true);
  one![Symbol.dispose]();
  assertEquals(await isOpen(huge), true);
  _big![Symbol.dispose]();
  using held = await huge;
  assertEquals(held!.gpus, []);
});

Deno.test("take() lets one stage compute with all processors at a time, and others beside it that do not", async () => {
  const four = slots({});
  const all = await four.take({ threads: Infinity }, never);
  using _beside = await four.take({}, never);
  const next = four.take({ threads: Infinity }, never);
  assertEquals(await isOpen(next), true);
  all![Symbol.dispose]();
  using _held = await next;
  assertEquals(await isOpen(four.take({ threads: 1 }, never)), true);
});

Deno.test("take() with cpu: 0 takes no cpu slot", async () => {
  const one = slots({ cpus: 1 });
  using _all = await one.take({ cpu: 1 }, never);
  using light = await one.take({ cpu: 0 }, never);
  assertEquals(light!.gpus, []);
});

Deno.test("take() gives up when the signal fires", async () => {
  const one = slots({ jobs: 1 });
  using _held = await one.take({}, never);
  const stop = new AbortController();
  const waiting = one.take({}, stop.signal);
  stop.abort();
  assertEquals(await waiting, undefined);
});

Deno.test("slots that are free in the moment in which a stage gives up go to the next", async () => {
  const one = slots({ jobs: 1 });
  const first = await one.take({}, never);
  const stop = new AbortController();
  const [gone, next, last] = [one.take({}, stop.signal), one.take({}, never), one.take({}, never)];
  stop.abort();
  first![Symbol.dispose]();
  assertEquals(await gone, undefined);
  const second = await next;
  assertEquals(await isOpen(last), true);
  second![Symbol.dispose]();
  using held = await last;
  assertEquals(held!.gpus, []);
});

Deno.test("GPUs are exclusive between two runs on one host, and free again when released", async () => {
  await using folder = await makeTempFolder();
  const run = () => slots({ gpus: ["0", "1"], lockFolder: folder.path });
  const [mine, yours] = [run(), run()];
  const first = await mine.take({ gpu: 1 }, never);
  using second = await yours.take({ gpu: 1 }, never);
  assertEquals([first!.gpus, second!.gpus], [["0"], ["1"]]);
  const third = yours.take({ gpu: 1 }, never);
  assertEquals(await isOpen(third), true);
  first![Symbol.dispose]();
  using held = await third;
  assertEquals(held!.gpus, ["0"]);
});

Deno.test("a stage that wants two GPUs takes both or none", async () => {
  await using folder = await makeTempFolder();
  const run = () => slots({ gpus: ["0", "1"], lockFolder: folder.path });
  using _one = await run().take({ gpu: 1 }, never);
  const stop = new AbortController();
  const both = run().take({ gpu: 2 }, stop.signal);
  assertEquals(await isOpen(both), true);
  using other = await run().take({ gpu: 1 }, never);
  assertEquals(other!.gpus, ["1"]);
  stop.abort();
  await both;
});

Deno.test("a machine without GPUs runs what asks for them", async () => {
  using held = await slots({}).take({ gpu: 1 }, never);
  assertEquals(held!.gpus, []);
});
