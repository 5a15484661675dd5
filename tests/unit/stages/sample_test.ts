import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { sampleKind } from "../../support/builtin_kinds.ts";
import { readImages } from "../../../artifacts/images.ts";
import { BYTES, denormalize } from "../../../science/diffusion/normalizer.ts";
import { definedOnly } from "../../../std/defined_only.ts";
import {
  digests,
  MemoryProgress,
  runStage,
  type StageOptions,
  type StageOutcome,
} from "../../support/stage_context.ts";
import { smallCheckpoint, withFolder } from "./small_world.ts";

async function pixelsOf({ end, outputs }: StageOutcome): Promise<Uint8Array> {
  assertEquals(end, undefined);
  return (await readImages(outputs["samples"]!)).pixels;
}

const SAMPLERS = [
  { name: "ddim", steps: 5 },
  { name: "ddim", steps: 5, eta: 1, spacing: "leading" },
  { name: "ancestral", variance: "fixedsmall" },
];

Deno.test("sample draws the same image whatever the count, and continues where it stopped", async () => {
  await withFolder(async (folder) => {
    // Few timesteps, because the ancestral sampler visits all of them.
    const { checkpoint } = await smallCheckpoint(folder, { timesteps: 10 });
    for (const sampler of SAMPLERS) {
      const sample = (count: number, options = {}) =>
        runStage(folder, sampleKind, { params: { count, sampler, batchSize: 4 }, inputs: { checkpoint }, ...options });
      const progress = new MemoryProgress();
      const five = await pixelsOf(await sample(5, { progress }));
      assertEquals(progress.steps, [4]);
      const straight = await sample(8);
      const eight = await pixelsOf(straight);
      assertEquals(eight.subarray(0, five.length), five);
      assertNotEquals(eight.subarray(0, 64), eight.subarray(64, 128));
      assertEquals(digests(await sample(8, { progress })), digests(straight));

      // Stopped in the second batch: the first is kept, the second is sampled again.
      const stop = new AbortController();
      const stopped = new MemoryProgress();
      const onReport = ({ done }: { done: number }) => done === 5 && stop.abort();
      const { end } = await sample(8, { progress: stopped, stop: stop.signal, onReport });
      assertEquals(end, { status: "interrupted", step: 4 });
      assertEquals(digests(await sample(8, { progress: stopped })), digests(straight));
    }
  });
});

/** Saves at every batch, and notes how many files each state has, and how many of them the state before it had. */
class EagerProgress extends MemoryProgress {
  readonly files: [all: number, linked: number][] = [];
  override isDue = () => true;
  override save(step: number, files: Parameters<MemoryProgress["save"]>[1]) {
    const all = Object.values(files);
    this.files.push([all.length, all.filter((file) => "path" in file).length]);
    return super.save(step, files);
  }
}

Deno.test("a state of sample adds one file to few others, and any stop ends in the same bytes", async () => {
  await withFolder(async (folder) => {
    const { checkpoint } = await smallCheckpoint(folder, { timesteps: 10 });
    const [batchSize, steps] = [3, 2];
    const sampler = { name: "ddim", steps };
    const trajectory = { images: 2, frames: 2 };
    for (const share of [undefined, { index: 1, of: 2 }]) {
      const sample = (count: number, options: Partial<StageOptions> = {}) =>
        runStage(folder, sampleKind, {
          params: { count, sampler, batchSize, trajectory },
          inputs: { checkpoint },
          ...definedOnly({ share }),
          ...options,
        });
      const [straight, straightLonger] = [digests(await sample(14)), digests(await sample(20))];
      assertEquals(digests(await sample(14, { progress: new EagerProgress() })), straight);
      // Files are joined as the digits of a binary number are carried: their number is that of its ones.
      const ones = (count: number) => count.toString(2).replaceAll("0", "").length;
      const long = new EagerProgress();
      await sample(share === undefined ? 34 : 68, { progress: long });
      const saves = Array.from({ length: 11 }, (_, i) => ones(i + 1));
      assertEquals(long.files, saves.map((count) => [count, count - 1]));
      const evaluations = (share === undefined ? 5 : 2) * steps;
      for (let stopAt = 1; stopAt < evaluations; stopAt++) {
        const resumed = new EagerProgress();
        const stop = new AbortController();
        let seen = 0;
        const onReport = () => ++seen === stopAt && stop.abort();
        const { end } = await sample(14, { progress: resumed, stop: stop.signal, onReport });
        assertEquals(end?.status, "interrupted", `stopped at ${stopAt}`);
        assertEquals(digests(await sample(14, { progress: resumed })), straight, `stopped at ${stopAt}`);
        // A longer run goes on from the same states.
        const longer = digests(await sample(20, { progress: resumed }));
        assertEquals(longer, straightLonger, `extended after a stop at ${stopAt}`);
      }
    }
  });
});

Deno.test("sample writes a picture and says how the images were made", async () => {
  await withFolder(async (folder) => {
    const { checkpoint } = await smallCheckpoint(folder);
    const params = { count: 2, sampler: { name: "ddim", steps: 2 }, weights: "raw", batchSize: 2 };
    const { outputs } = await runStage(folder, sampleKind, { params, inputs: { checkpoint }, seed: 9 });
    const samples = outputs["samples"]!;
    assertEquals(samples.files.map(({ path }) => path), ["grid.png", "images.json", "images.safetensors"]);
    const { info, labels } = await readImages(samples);
    assertEquals([info.count, info.height, info.classes, labels], [2, 8, null, undefined]);
    const { seed, sampler, model } = info.source as { seed: number; sampler: { steps: number }; model: unknown };
    assertEquals([seed, sampler.steps], [9, 2]);
    assert(JSON.stringify(model).includes('"weights":"raw","step":2'));
  });
});

Deno.test("denormalize() cuts off and clips as Ho et al. do", () => {
  const out = denormalize(Float32Array.of(-1, 1, 0, -0.001, 1.5, -2), BYTES);
  // 127.5 and 127.37 lose their fractions.
  assertEquals([...out], [0, 255, 127, 127, 255, 0]);
});
