import type { StageRun } from "../../engine/contract/stage.ts";
import { networkOf, type NetworkRecord } from "../../artifacts/checkpoint.ts";
import { imagesInMemory } from "../../artifacts/image_files.ts";
import { diffusionLoss } from "../../science/diffusion/diffusion_loss.ts";
import { builtinObjective, DEFAULT_OBJECTIVE } from "../../science/diffusion/objectives.ts";
import { chainPath } from "../../science/diffusion/path.ts";
import { learnsVariance } from "../../science/diffusion/network.ts";
import { makeTables } from "../../science/diffusion/schedule/tables.ts";
import { withDevice } from "../shared/device.ts";
import { initialState, makeStepper, trainSteps } from "../shared/training.ts";
import { makeBatches } from "./batches.ts";
import { trainParams } from "./params.ts";

const STEPS = 3;

/** Trains a network on black images for three steps, to measure the speed of this machine. */
export default (async (context) => {
  const { network: record, images: count } = context.params as { network: NetworkRecord; images: number };
  const network = await networkOf(record, []);
  const { height, width, channels, classes, augmentation: conditions = 0 } = network.sizes;
  const augmenter = { conditions, apply: () => new Float32Array(conditions) };
  const variance = learnsVariance(network.sizes) ? "learned" : "fixedlarge";
  const params = {
    ...trainParams.parse({ steps: STEPS, batchSize: count, variance }),
    objective: builtinObjective(DEFAULT_OBJECTIVE),
    path: chainPath(makeTables(new Float64Array(1000).fill(0.01))),
  };
  const images = imagesInMemory({
    info: { count, height, width, channels, classes: 1, source: {} },
    values: new Uint8Array(count * height * width * channels),
    labels: new Uint8Array(count),
  });
  await withDevice(context, async (device) => {
    const start = initialState(network, 0);
    const stepper = await makeStepper(device, { loss: diffusionLoss(network, params), params, vectors: start.vectors });
    const batch = makeBatches(images, { ...params, classes, augmenter, seed: 0 });
    const take = trainSteps(start, { stepper, batch, params });
    for (let step = 1; step <= STEPS; step++) {
      await take(step);
      context.report({ done: step, total: STEPS, unit: "step" });
    }
  });
}) satisfies StageRun;
