import { assertEquals, assertNotEquals } from "@std/assert";
import { digests, MemoryProgress } from "../../support/stage_context.ts";
import { smallWorld, trainSmall, withFolder } from "./small_world.ts";

Deno.test("train with dropout and flips gives the same bytes straight, and stopped and resumed", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const options = { steps: 5, dropout: 0.2, flip: true };
    const straight = await trainSmall(folder, world, { params: options });
    const stop = new AbortController();
    const progress = new MemoryProgress();
    const first = await trainSmall(folder, world, {
      params: options,
      progress,
      stop: stop.signal,
      onReport: ({ done }) => done === 2 && stop.abort(),
    });
    assertEquals(first.end, { status: "interrupted", step: 2 });
    assertEquals(digests(await trainSmall(folder, world, { params: options, progress })), digests(straight));
    for (const without of [{ dropout: 0 }, { flip: false }]) {
      const other = await trainSmall(folder, world, { params: { ...options, ...without } });
      assertNotEquals(digests(other), digests(straight));
    }
  });
});
