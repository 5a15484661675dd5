import { assertEquals, assertNotEquals } from "@std/assert";
import { digests, MemoryProgress, type StageOptions } from "../../support/stage_context.ts";
import { smallWorld, trainSmall, withFolder } from "./small_world.ts";

/**
 * Checks that the bytes of a training do not depend on how its steps were made: at once, after a stop, or as an
 * extension of a shorter training.
 */
export async function checkSameBytes(device: NonNullable<StageOptions["device"]>): Promise<void> {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const straight = await trainSmall(folder, world, { params: { steps: 6 }, device });
    assertEquals(straight.end, undefined);

    const stop = new AbortController();
    const progress = new MemoryProgress();
    const first = await trainSmall(folder, world, {
      params: { steps: 6 },
      progress,
      device,
      stop: stop.signal,
      onReport: ({ done }) => done === 3 && stop.abort(),
    });
    assertEquals(first.end, { status: "interrupted", step: 3 });
    assertEquals(progress.steps, [3]);
    const resumed = await trainSmall(folder, world, { params: { steps: 6 }, progress, device });
    assertEquals(digests(resumed), digests(straight));

    // Six steps of three batches are two epochs: the extension starts a new one.
    const longer = new MemoryProgress();
    const short = await trainSmall(folder, world, { params: { steps: 3 }, progress: longer, device });
    const extended = await trainSmall(folder, world, { params: { steps: 6 }, progress: longer, device });
    assertEquals(digests(extended), digests(straight));
    assertNotEquals(digests(short), digests(straight));

    // Back to 3 steps although a state of 6 exists: the model must never be the longer one.
    longer.extent = 3;
    assertEquals(
      digests(await trainSmall(folder, world, { params: { steps: 3 }, progress: longer, device })),
      digests(short),
    );
  });
}
