import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { oneHotLabels } from "../../../science/diffusion/network.ts";
import { evaluateKind, sampleKind, trainKind } from "../../support/builtin_kinds.ts";
import { readImages } from "../../../artifacts/images.ts";
import { decodeNpz } from "../../../science/formats/npz.ts";
import { unetOf } from "../../support/unet.ts";
import { digests, MemoryProgress, runStage } from "../../support/stage_context.ts";
import { type SmallWorld, smallWorld, trainSmall, withFolder } from "./small_world.ts";

const CONFIG = {
  imageSize: 4,
  inChannels: 1,
  outChannels: 1,
  channels: 4,
  multipliers: [1],
  blocks: 1,
  attention: [],
  classes: 3,
};

async function trainWithLabels(folder: string, world: SmallWorld, options = {}) {
  const outcome = await trainSmall(folder, world, { params: { steps: 3, labels: { drop: 0.5 } }, ...options });
  assertEquals(outcome.end, undefined);
  return outcome;
}

Deno.test("a class-conditional network has one row more than classes, and the same sizes else", () => {
  const { classes: _, ...plain } = CONFIG;
  assertEquals(unetOf(CONFIG).count - unetOf(plain).count, 4 * 16);
  assertEquals(oneHotLabels([2, undefined, 0], 3), Float32Array.of(0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0));
});

Deno.test("training with labels goes on after a stop to the same bytes, and evaluate tells the labels", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const straight = await trainWithLabels(folder, world);
    const progress = new MemoryProgress();
    await trainSmall(folder, world, { params: { steps: 2, labels: { drop: 0.5 } }, progress });
    assertEquals(digests(await trainWithLabels(folder, world, { progress })), digests(straight));

    const inputs = { checkpoint: straight.outputs["checkpoint"]!, images: world.test };
    const measured = await runStage(folder, evaluateKind, { params: { buckets: 2 }, inputs });
    assertEquals(measured.end, undefined);
  });
});

Deno.test("sample draws labels in turn, of a list, or none, and guidance changes what it draws", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const checkpoint = (await trainWithLabels(folder, world)).outputs["checkpoint"]!;
    const draw = async (params: Record<string, unknown>) => {
      const common = { count: 12, batchSize: 6, sampler: { name: "ddim", steps: 4 } };
      const { end, outputs } = await runStage(folder, sampleKind, {
        params: { ...common, ...params },
        inputs: { checkpoint },
      });
      assertEquals(end, undefined);
      return await readImages(outputs["samples"]!);
    };
    const cycled = await draw({});
    assertEquals([...cycled.labels!], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
    assertEquals(cycled.info.classes, 10);
    assertEquals([...(await draw({ labels: [7, 3] })).labels!], [7, 3, 7, 3, 7, 3, 7, 3, 7, 3, 7, 3]);
    assertEquals((await draw({ labels: "none" })).labels, undefined);
    const sevens = await draw({ labels: [7] });
    // Image 7 has label 7 in both cases.
    assertEquals(sevens.pixels.subarray(7 * 64, 8 * 64), cycled.pixels.subarray(7 * 64, 8 * 64));
    assertNotEquals((await draw({ labels: [7], guidance: 3 })).pixels, sevens.pixels);
  });
});

Deno.test("sample writes films and files for other programs, also when it goes on", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const checkpoint = (await trainWithLabels(folder, world)).outputs["checkpoint"]!;
    const params = {
      count: 6,
      batchSize: 4,
      sampler: { name: "ddim", steps: 4 },
      trajectory: { images: 2, frames: 3 },
      files: ["png", "npz"],
    };
    const sample = (options = {}) => runStage(folder, sampleKind, { params, inputs: { checkpoint }, ...options });
    const straight = await sample();
    const { samples } = straight.outputs;
    const names = samples!.files.map(({ path }) => path);
    assertEquals(names.filter((name) => name.startsWith("images/")).length, 6);
    assert(["trajectory.png", "trajectory-x0.png", "samples.npz"].every((name) => names.includes(name)));
    const npz = await samples!.read("samples.npz");
    const [arr_0, arr_1] = [await decodeNpz(npz, "arr_0", 1e6), await decodeNpz(npz, "arr_1", 1e6)];
    const { pixels, labels } = await readImages(samples!);
    assertEquals([arr_0!.shape, arr_0!.data, arr_1!.data], [[6, 8, 8, 1], pixels, labels]);

    const [stop, progress] = [new AbortController(), new MemoryProgress()];
    const onReport = ({ done }: { done: number }) => done === 5 && stop.abort();
    await sample({ progress, stop: stop.signal, onReport });
    assertEquals(digests(await sample({ progress })), digests(straight));
  });
});

Deno.test("labels are refused where there are none, and labels that the network does not know", () => {
  const problems = (kind: typeof trainKind | typeof sampleKind, params: unknown, inputs: Record<string, unknown>) =>
    // deno-lint-ignore no-explicit-any
    kind.check!(kind.params.parse(params) as any, inputs as any).problems.map(({ severity = "error", param }) =>
      `${severity} ${param?.join(".")}`
    );
  const size = { height: 8, width: 8, channels: 1 };
  const model = { channels: 4, multipliers: [1], blocks: 1, attention: [] };
  const train = { steps: 1, batchSize: 2, model, labels: {} };
  assertEquals(problems(trainKind, train, { images: { ...size, count: 9, classes: null } }), ["error labels"]);
  // For a folder, only the run finds out if it has labels.
  assertEquals(problems(trainKind, train, { images: { ...size, count: 9 } }), []);
  assertEquals(problems(trainKind, train, { images: { ...size, count: 9, classes: 3 } }), []);
  const sample = (params: Record<string, unknown>, classes?: number) =>
    problems(sampleKind, { count: 4, ...params }, { checkpoint: { ...size, classes: classes ?? null } });
  assertEquals(sample({ labels: "none", guidance: 2 }), ["error labels", "error guidance"]);
  assertEquals(sample({ labels: [3, 2, 4, "cat"] }, 3), ["error labels.0", "error labels.2", "error labels.3"]);
  assertEquals(sample({ labels: "none", guidance: 2 }, 3), ["warning guidance"]);
  assertEquals(sample({ trajectory: { images: 5 } }), ["error trajectory.images"]);
  assertEquals(sample({ labels: [2], guidance: 2 }, 3), []);
});
