import type { StageRun } from "../../contract/stage.ts";
import { makeBetas } from "../../diffusion/schedule/betas.ts";
import { makeTables } from "../../diffusion/schedule/tables.ts";
import type { UnetConfig } from "../../diffusion/unet/config.ts";
import { withDevice } from "../shared/device.ts";
import { makeBatches } from "./batches.ts";
import { trainParams } from "./params.ts";
import { initialState, makeStepper, trainSteps } from "./training.ts";

const STEPS = 3;

/** Train a network on black images for three steps, to find out how fast this machine does that. */
export default (async (context) => {
  const { network, images: count } = context.params as { network: UnetConfig; images: number };
  const { imageSize, inChannels, outChannels, classes } = network;
  const variance = outChannels > inChannels ? "learned" : "fixedlarge";
  const params = trainParams.parse({ steps: STEPS, batchSize: count, variance });
  const pixels = new Uint8Array(count * imageSize ** 2 * inChannels);
  const images = { shape: [count, imageSize, imageSize, inChannels] as const, pixels, labels: new Uint8Array(count) };
  const tables = makeTables(makeBetas({ name: "ho/linear", timesteps: 1000 }));
  await withDevice(context, async (device) => {
    const start = initialState(network, 0);
    const stepper = await makeStepper(device, { model: network, params, vectors: start.vectors });
    const batch = makeBatches(images, { ...params, classes, tables, seed: 0 });
    for await (const { step } of trainSteps(start, { stepper, batch, params })) {
      context.report({ done: step, total: STEPS, unit: "step" });
      if (step === STEPS) return;
    }
  });
}) satisfies StageRun;
