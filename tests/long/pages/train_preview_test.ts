import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";

import type { FreeObjective } from "../../../science/diffusion/define.ts";
import type { StageEvent } from "../../../engine/process/protocol.ts";
import { decodePng } from "../../../science/formats/png_decoder.ts";
import { trainKind } from "../../support/builtin_kinds.ts";
import { digests, MemoryProgress } from "../../support/stage_context.ts";
import { freeEps, own } from "../../unit/stages/own_definitions.ts";
import { type SmallWorld, smallWorld, trainSmall, withFolder } from "../../unit/stages/small_world.ts";

const PREVIEW = { every: 2, count: 4, sampler: { name: "ddim", steps: 3 } };

/**
 * The loss of eps, which also runs a callback at each evaluation of a preview: after training begins, only previews
 * recover images.
 */
function recovering(also: () => number) {
  let trains = false;
  const recover: FreeObjective["recover"] = ({ signal, noise }) => ({
    xt: 1 / signal * (trains ? also() : 1),
    output: -noise / signal,
  });
  return { definitions: own({ "./loss.ts": freeEps({ recover }) }), onReport: () => trains = true };
}
const FREE = { objective: { uses: "./loss.ts" }, steps: 4, preview: PREVIEW };

/** Trains, and returns the notes and previews. */
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
    // Four images of 8 x 8, each pixel enlarged to a square of 4, with margins of 2.
    const png = Uint8Array.fromBase64(straight.pictures[5]!);
    const { width, height } = decodePng(png);
    // The colour type in its header: 0 is grey.
    assertEquals([width, height, png[25]], [70, 70, 0]);
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

Deno.test("a training with one preview says what that took, in the singular", async () => {
  await withFolder(async (folder) => {
    const { said } = await shown(folder, await smallWorld(folder), { params: { steps: 1, preview: PREVIEW } });
    assert(/^1 preview took \d+\.\d s of \d+\.\d s$/.test(said[0]!.message), said[0]!.message);
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
    const firstImage = ({ width, channels, data }: typeof one) =>
      Array.from({ length: 32 }, (_, y) => {
        const at = ((y + 2) * width + 2) * channels;
        return [...data.subarray(at, at + 32 * channels)];
      });
    assertEquals(firstImage(two), firstImage(one));
  });
});

Deno.test("a stop in the midst of a preview is noticed at the next evaluation, and the preview made up for", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const [stop, progress] = [new AbortController(), new MemoryProgress()];
    const doing = (also: () => void) => recovering(() => (also(), 1));
    let asked = 0;
    const stopping = doing(() => {
      asked++;
      stop.abort();
    });
    const first = await shown(folder, world, { params: FREE, progress, stop: stop.signal, ...stopping });
    assertEquals([first.end, first.steps, first.said], [{ status: "interrupted", step: 2 }, [], []]);
    assertEquals(asked, 1);
    const second = await shown(folder, world, { params: FREE, progress, ...doing(() => {}) });
    assertEquals(second.steps, [2, 4]);
    const { preview: _, ...without } = FREE;
    const whole = await shown(folder, world, { params: without, ...doing(() => {}) });
    assertEquals(second.digests, whole.digests);
  });
});

Deno.test("whatever goes wrong in drawing is one warning, and the training goes on", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const { preview: _, ...params } = FREE;
    const without = await shown(folder, world, { params, ...recovering(() => 1) });
    const faults: [also: () => number, said: string][] = [
      [() => NaN, "has a pixel that is NaN"],
      [() => {
        throw new TypeError("x is not a function");
      }, "x is not a function"],
    ];
    for (const [also, message] of faults) {
      const found = await shown(folder, world, { params: FREE, ...recovering(also) });
      assertEquals([found.end, found.steps, found.digests], [undefined, [], without.digests]);
      assertEquals(found.said.map(({ type }) => type), ["warn", "note"]);
      assertStringIncludes(found.said[0]!.message, "no preview of step 2: ");
      assertStringIncludes(found.said[0]!.message, message);
    }
  });
});

Deno.test("train's check places what is wrong with the sampler of previews, before anything runs", () => {
  const check = (preview: object) =>
    trainKind.check!(
      trainKind.params.parse({ steps: 1, preview }),
      { schedule: { timesteps: 10, betas: "ldm/cosine" } },
    ).problems.map(({ param, got, wanted }) => [param?.join("."), got ?? "", wanted ?? ""].join(" | "));
  assertEquals(check({ every: 1, sampler: { name: "ddim", steps: 10 } }), []);
  assertNotEquals(check({ every: 1 }), []);
  assertStringIncludes(check({ every: 1 })[0]!, "preview.sampler.steps");
  const counted = (height: number) => {
    const preview = { every: 1, count: 65, sampler: { name: "ddim", steps: 10 } };
    const images = { height, width: 1, channels: 2, count: 100 };
    const model = { channels: 32, multipliers: [1], attention: [] };
    const params = trainKind.params.parse({ steps: 1, batchSize: 8, preview, model });
    const { problems } = trainKind.check!(params, { schedule: { timesteps: 10, betas: "ldm/cosine" }, images });
    return problems.map(({ param, got }) => [param?.join("."), got]);
  };
  assertEquals([counted(1), counted(2)], [[], [["preview.count", "65"]]]);
  const refused = (preview: object) => trainKind.params.safeParse({ steps: 1, preview }).success === false;
  const alone = { uses: "./own.ts" };
  assert(
    [{ every: 1, sampler: alone }, {}, { every: 0 }, { every: 1, count: 1025 }, { every: 1, sampler: { name: "plms" } }]
      .every(refused),
  );
});
