/**
 * Prints the peak memory of a process that computed with a network, and the estimate of `stages/shared/work.ts`.
 *
 *     deno run -A tests/support/measure_memory.ts train \
 *       '{"channels":32,"multipliers":[1,2],"blocks":1,"attention":[8]}' 16 1 64
 *
 * Arguments: train or sample; the params of the network; side and channels of the images; images in a batch, and for
 * train optionally the number of parts of the batch. A training is measured as a stage: it also saves its state and
 * writes its checkpoint.
 *
 * @module
 */
import { networkOf } from "../../artifacts/checkpoint.ts";
import { writeImages } from "../../artifacts/images.ts";
import { makeModelOutput, modelOutputSignature } from "../../science/diffusion/network.ts";
import { BUILTIN_NETWORK } from "../../science/diffusion/networks.ts";
import { initialWeights } from "../../stages/shared/training.ts";
import { networkWork } from "../../stages/shared/work.ts";
import { folderArtifact, openInput, openOutput } from "../../engine/process/context.ts";
import { openDevice } from "../../science/tensor/implementations.ts";
import { scheduleKind, trainKind } from "./builtin_kinds.ts";
import { runStage } from "./stage_context.ts";

const [use, model, side, channels, batch, parts = "1"] = Deno.args as [string, string, string, string, string, string?];
const sizes = { height: Number(side), width: Number(side), channels: Number(channels), outChannels: Number(channels) };
const record = BUILTIN_NETWORK.recordOf(sizes, BUILTIN_NETWORK.params.parse(JSON.parse(model)));
const images = Number(batch);
if (use === "train") {
  const folder = await Deno.makeTempDir();
  const pixels = new Uint8Array(images * sizes.height * sizes.width * sizes.channels);
  const { outChannels: _, ...info } = sizes;
  await writeImages(openOutput(folder), { info, pixels });
  const inputs = { images: openInput(folderArtifact(folder, "images")) };
  const schedule = await runStage(folder, scheduleKind, { params: { betas: "ho/linear", timesteps: 1000 } });
  const { end } = await runStage(folder, trainKind, {
    params: { model: JSON.parse(model), steps: 2, batchSize: images, microBatches: Number(parts) },
    inputs: { ...inputs, ...schedule.outputs },
  });
  if (end !== undefined) throw new Error(JSON.stringify(end));
  await Deno.remove(folder, { recursive: true });
} else {
  const network = await networkOf(record, []);
  const device = await openDevice("onnx");
  const compiled = await device.compile(makeModelOutput(network), modelOutputSignature(network, images));
  const bound = await compiled.bind({ params: initialWeights(network, 0) });
  const x = new Float32Array(images * sizes.height * sizes.width * sizes.channels);
  for (let i = 0; i < 2; i++) await bound.run({ x, t: new Int32Array(images) });
}
const peak = Number(/^VmHWM:\s+(\d+) kB/m.exec(Deno.readTextFileSync("/proc/self/status"))![1]) * 1024;
const { memoryBytes } = networkWork(
  record,
  1,
  images,
  use !== "train" ? {} : {
    images: images / Number(parts),
    parts: Number(parts),
    averages: 1,
  },
);
// deno-lint-ignore no-console -- what it is for
console.log(JSON.stringify({ peakMB: Math.round(peak / 1e6), estimateMB: Math.round(memoryBytes! / 1e6) }));
// Devices may keep threads alive.
Deno.exit(0);
