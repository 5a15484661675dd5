import { assert, assertEquals } from "@std/assert";
import { Events } from "../../../../pages/server/events.ts";
import type { Look, Site } from "../../../../pages/server/site.ts";
import { curve } from "../../../support/live_runs.ts";
import { markup } from "../../../../pages/report/text.ts";
import { eventsIn } from "../../../support/live_server.ts";

const ADDRESS = new URL("http://localhost/run/x");

/**
 * Returns a site with one page that changes in several parts each time it is looked at; after `last` looks the page is
 * gone.
 */
function changing(last: number, { paceMs = 0, rowsEach = 1, moving = 1 } = {}) {
  const { rows } = curve("train", 1 + last * rowsEach);
  const state = { looks: 0 };
  const look = (): Promise<Look | undefined> => {
    state.looks++;
    const more = Array.from({ length: moving - 1 }, (_, i) => `a${i}`);
    const sections = [
      ...["a", ...more].map((id) => ({ id, title: "A", body: [markup`<p>${state.looks}</p>`] })),
      { id: "b", title: "B", body: [markup`<p>the same</p>`] },
    ];
    const shown = rows.slice(Math.max(0, state.looks - 50) * rowsEach, state.looks * rowsEach);
    const curves = [{ title: "train", runs: [{ label: "train", rows: shown }] }];
    const page = { title: "x", subtitle: "", notes: [], sections, curves };
    return Promise.resolve(state.looks > last ? undefined : { page, paceMs });
  };
  return { state, site: { look } as unknown as Site };
}

const fail = (error: unknown) => {
  throw error;
};

Deno.test("a page is told whole, then only its parts and rows that change, then that it is gone", async () => {
  const { site } = changing(4);
  const found = await Array.fromAsync(eventsIn(await new Events(site, fail).open(ADDRESS)));
  const parts = found.filter(({ name }) => name === "part").map(({ data }) => data.id);
  assertEquals(parts.filter((id) => id === "b").length, 1);
  assertEquals(parts.filter((id) => id === "a").length, 4);
  const steps = found.filter(({ name }) => name === "rows").flatMap(({ data }) =>
    data.rows.map((row: { step: number }) => row.step)
  );
  assertEquals(steps, [1, 2, 3, 4]);
  assertEquals(found.at(-1), { name: "gone", data: {} });
});

Deno.test("of many rows a part is sent, the last one among them", async () => {
  const { site } = changing(1, { rowsEach: 30_000 });
  const found = await Array.fromAsync(eventsIn(await new Events(site, fail).open(ADDRESS)));
  const { rows } = found.find(({ name }) => name === "rows")!.data;
  assert(rows.length <= 2_001 && rows.length > 1_500, `${rows.length} rows`);
  assertEquals(rows.at(-1).step, 30_000);
});

Deno.test("when a browser leaves, nothing more is looked at, and its place is free", async () => {
  const { site, state } = changing(10_000, { paceMs: 20 });
  const events = new Events(site, fail);
  const { body } = await events.open(ADDRESS);
  const reader = body!.getReader();
  await reader.read();
  assertEquals(events.listeners, 1);
  await reader.cancel();
  assertEquals(events.listeners, 0);
  const { looks } = state;
  await new Promise((resolve) => setTimeout(resolve, 100));
  assertEquals(state.looks, looks);
});

Deno.test("a browser that takes nothing has nothing piled up for it, and there is an end to how many may listen", async () => {
  const { site, state } = changing(10_000);
  const events = new Events(site, fail);
  const { body } = await events.open(ADDRESS);
  const reader = body!.getReader();
  await reader.read();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert(state.looks <= 2, `${state.looks} looks`);
  const all = await Promise.all(Array.from({ length: 63 }, () => events.open(ADDRESS)));
  const readers = all.map(({ body }) => body!.getReader());
  await Promise.all(readers.map((one) => one.read()));
  assertEquals((await events.open(ADDRESS)).status, 503);
  await Promise.all([reader, ...readers].map((one) => one.cancel()));
  assertEquals(events.listeners, 0);
});

Deno.test("ten thousand events leave nothing behind", async () => {
  const { site } = changing(500, { moving: 20 });
  let count = 0;
  let before = 0;
  for await (const _ of eventsIn(await new Events(site, fail).open(ADDRESS))) {
    if (++count === 2_000) before = Deno.memoryUsage().heapUsed;
  }
  // Memory that is not collected yet counts too, and each event that was kept would take half a kilobyte or more.
  assert(count > 10_000);
  assert(Deno.memoryUsage().heapUsed - before < 40 << 20, `${Deno.memoryUsage().heapUsed - before} bytes`);
});

Deno.test("a fault while a page is followed is told where the server was started, and ends the stream", async () => {
  const { site } = changing(1);
  const faults: unknown[] = [];
  let looks = 0;
  const look = (address: URL) => looks++ === 0 ? site.look(address) : Promise.reject(new Error("a bug"));
  const events = new Events({ look } as unknown as Site, (error) => void faults.push(error));
  await Array.fromAsync(eventsIn(await events.open(ADDRESS)));
  assertEquals([faults.length, events.listeners], [1, 0]);
});
