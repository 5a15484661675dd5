import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { z } from "zod";
import { defineSampler, type SamplerInputs } from "../../../diffusion/define.ts";

import type { StageEvent } from "../../../engine/process/protocol.ts";
import { decodePng } from "../../../formats/png.ts";
import { trainKind } from "../../support/builtin_kinds.ts";
import { digests, MemoryProgress } from "../../support/stage_context.ts";
import { freeEps, own } from "./own_definitions.ts";
import { type SmallWorld, smallWorld, trainSmall, withFolder } from "./small_world.ts";

const PREVIEW = { every: 2, count: 4, sampler: { name: "ddim", steps: 3 } };

/** A sampler that does one thing more, before it asks the network for the second time. */
const sampler = (sample: (inputs: SamplerInputs) => Promise<unknown>) =>
  own({
    "./own.ts": defineSampler({
      params: z.strictObject({}),
      times: (_params, path) => path.times(3),
      sample: (inputs) => sample(inputs) as Promise<Float32Array<ArrayBuffer>>,
    }),
  });
const OWN = { ...PREVIEW, sampler: { uses: "./own.ts" } };

/** Train, and tell what it says beside. */
async function shown(folder: string, world: SmallWorld, options: Parameters<typeof trainSmall>[2]) {
  const said: { readonly type: string; readonly message: string }[] = [];
  const pictures: Record<number, string> = {};
  const onSaid = (event: Exclude<StageEvent, { type: "progress" }>) => {
    if (event.type === "preview") pictures[event.step] = event.png;
    if (event.type === "note" || event.type === "warn") said.push(event);
  };
  const { end, ...rest } = await trainSmall(folder, world, { ...options, onSaid });
  return { end, pictures, said, steps: Object.keys(pictures).map(Number), digests: digests({ end, ...rest }) };
}

Deno.test("previews change no byte of a training, and are the same ones whether it is resumed or not", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const more = { labels: {}, variance: "learned", objective: "v", dropout: 0.1, microBatches: 2 };
    const params = { ...more, steps: 5, checkpointEvery: 3 };
    const without = await shown(folder, world, { params });
    assertEquals([without.steps, without.said], [[], []]);
    const straight = await shown(folder, world, { params: { ...params, preview: PREVIEW } });
    assertEquals(straight.digests, without.digests);
    assertEquals(straight.steps, [2, 4, 5]);
    assertEquals(new Set(Object.values(straight.pictures)).size, 3);
    // Four images of 8 x 8, each pixel a square of 4, with margins of 2.
    const { width, height, channels } = decodePng(Uint8Array.fromBase64(straight.pictures[5]!));
    assertEquals([width, height, channels], [70, 70, 1]);
    assert(/^3 previews took \d+\.\d s of \d+\.\d s$/.test(straight.said[0]!.message));

    const [stop, progress] = [new AbortController(), new MemoryProgress()];
    const preview = { ...params, preview: PREVIEW };
    const onReport = ({ done }: { done: number }) => done === 3 && stop.abort();
    const first = await shown(folder, world, { params: preview, progress, stop: stop.signal, onReport });
    assertEquals([first.end, first.steps], [{ status: "interrupted", step: 3 }, [2]]);
    const second = await shown(folder, world, { params: preview, progress });
    assertEquals({ ...first.pictures, ...second.pictures }, straight.pictures);
    assertEquals([second.steps, second.digests], [[4, 5], without.digests]);
  });
});

Deno.test("the images of a preview do not depend on how many there are", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const picture = async (count: number) => {
      const { pictures } = await shown(folder, world, { params: { steps: 1, preview: { ...PREVIEW, count } } });
      return decodePng(Uint8Array.fromBase64(pictures[1]!));
    };
    const [one, two] = [await picture(1), await picture(2)];
    const rows = Array.from({ length: 32 }, (_, y) => (y + 2) * two.width + 2);
    assertEquals(
      rows.flatMap((at) => [...two.data.subarray(at, at + 32)]),
      rows.flatMap((_, y) => [...one.data.subarray((y + 2) * one.width + 2, (y + 2) * one.width + 34)]),
    );
  });
});

Deno.test("a stop in the midst of a preview is noticed at the next evaluation, and the preview made up for", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const [stop, progress] = [new AbortController(), new MemoryProgress()];
    let asked = 0;
    const walk = (stops: boolean) =>
      sampler(async ({ x, times, predict }) => {
        for (const t of times.slice(0, -1)) {
          asked++;
          if (stops) stop.abort();
          await predict(x, t);
        }
        return x;
      });
    const params = { steps: 4, preview: OWN };
    const first = await shown(folder, world, { params, progress, stop: stop.signal, definitions: walk(true) });
    assertEquals([first.end, first.steps, first.said], [{ status: "interrupted", step: 2 }, [], []]);
    assertEquals(asked, 1);
    const second = await shown(folder, world, { params, progress, definitions: walk(false) });
    assertEquals(second.steps, [2, 4]);
    assertEquals(second.digests, (await shown(folder, world, { params: { steps: 4 } })).digests);
  });
});

Deno.test("whatever goes wrong in drawing is one warning, and the training goes on", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const without = await shown(folder, world, { params: { steps: 4 } });
    const faults: [sample: (inputs: SamplerInputs) => Promise<unknown>, said: string][] = [
      [({ x }) => Promise.resolve(x.fill(NaN)), "a number that is NaN"],
      [() => Promise.resolve("no images"), "got string, wanted a Float32Array"],
      [() => Promise.reject(new TypeError("x is not a function")), "x is not a function"],
      [() => Promise.reject("a text"), "a text"],
    ];
    for (const [sample, message] of faults) {
      const found = await shown(folder, world, { params: { steps: 4, preview: OWN }, definitions: sampler(sample) });
      assertEquals([found.end, found.steps, found.digests], [undefined, [], without.digests]);
      assertEquals(found.said.map(({ type }) => type), ["warn", "note"]);
      assertStringIncludes(found.said[0]!.message, "no preview of step 2: ");
      assertStringIncludes(found.said[0]!.message, message);
    }
  });
});

Deno.test("a loss whose sampler alone can use the network is previewed by it", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const { recover: _, ...loss } = freeEps();
    const definitions = [
      ...own({ "./loss.ts": { ...loss, sampler: "own.ts" } }),
      ...sampler(async ({ x, times, predict }) => {
        const { output } = await predict(x, times[0]!);
        return x.map((value, i) => value - output[i]!);
      }),
    ];
    const train = (preview: object) =>
      shown(folder, world, { params: { steps: 2, objective: { uses: "./loss.ts" }, preview }, definitions });
    const found = await train(OWN);
    assertEquals([found.end, found.steps], [undefined, [2]]);
  });
});

Deno.test("train's check places what is wrong with the sampler of previews, before anything runs", () => {
  const check = (preview: object, own: object = {}) =>
    trainKind.check!(
      trainKind.params.parse({ steps: 1, preview }),
      { schedule: { timesteps: 10, betas: "ldm/cosine" } },
      own as never,
    ).problems.map(({ param, got, wanted }) => [param?.join("."), got ?? "", wanted ?? ""].join(" | "));
  assertEquals(check({ every: 1, sampler: { name: "ddim", steps: 10 } }), []);
  assertNotEquals(check({ every: 1 }), []);
  assertStringIncludes(check({ every: 1 })[0]!, "preview.sampler.steps");
  const refused = (preview: object) => trainKind.params.safeParse({ steps: 1, preview }).success === false;
  assert([{}, { every: 0 }, { every: 1, count: 65 }, { every: 1, sampler: { name: "plms" } }].every(refused));
});
