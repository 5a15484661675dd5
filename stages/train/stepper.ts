import { gradientStepSignature, makeGradientStep } from "../../diffusion/gradient_step.ts";
import { makeTrainStep, trainStepSignature } from "../../diffusion/train_step.ts";
import type { UnetConfig } from "../../diffusion/unet/config.ts";
import { makeUpdateStep, updateStepSignature } from "../../diffusion/update_step.ts";
import type { Device, HostTensors } from "../../tensor/mod.ts";
import type { TrainParams } from "./params.ts";
import type { TrainVectors } from "./train_state.ts";

/** What one update gave, filled anew by each. */
interface StepFigures {
  readonly loss: number;
  readonly gradNorm: number;
  /** [B], without the importance. */
  readonly lossPerImage: Float32Array;
}

/** Training on a device, which keeps the vectors. */
export interface TrainStepper {
  /** One update. @param batch feeds that depend on the images @param scalars feeds of the optimizer */
  step(batch: HostTensors, scalars: HostTensors): Promise<StepFigures>;
  /** Copies of the vectors as they are now. */
  vectors(): Promise<TrainVectors>;
}

type StepperParams =
  & Pick<TrainParams, "batchSize" | "microBatches">
  & NonNullable<Parameters<typeof makeTrainStep>[1]>;

interface StepperStart {
  readonly model: UnetConfig;
  readonly params: StepperParams;
  /** Given away. */
  readonly vectors: TrainVectors;
}

/** A whole batch and its update in one call, or, with `microBatches`, the batch in parts and the update after them. */
export function makeStepper(device: Device, start: StepperStart): Promise<TrainStepper> {
  return start.params.microBatches > 1 ? inParts(device, start) : atOnce(device, start);
}

async function atOnce(device: Device, { model, params, vectors }: StepperStart): Promise<TrainStepper> {
  const { batchSize } = params;
  const signature = trainStepSignature(model, batchSize, params);
  const compiled = await device.compile(makeTrainStep(model, params), signature, { label: "train step" });
  const bound = await compiled.bind({ ...vectors });
  const results = {
    loss: new Float32Array(1),
    gradNorm: new Float32Array(1),
    lossPerImage: new Float32Array(batchSize),
  };
  return {
    async step(batch, scalars) {
      await bound.run({ ...batch, ...scalars }, results);
      return { loss: results.loss[0]!, gradNorm: results.gradNorm[0]!, lossPerImage: results.lossPerImage };
    },
    vectors: async () => await bound.read() as TrainVectors,
  };
}

/**
 * The device holds the activations of one part at a time. Parameters and gradients pass through the host, a small share
 * of what a part computes.
 */
async function inParts(device: Device, { model, params, vectors }: StepperStart): Promise<TrainStepper> {
  const { batchSize, microBatches } = params;
  const size = batchSize / microBatches;
  const signature = gradientStepSignature(model, size, params);
  const gradients = await device.compile(makeGradientStep(model, params), signature, { label: "gradients" });
  const update = await device.compile(makeUpdateStep(model), updateStepSignature(model), { label: "update" });
  let weights = vectors.params.slice();
  const bound = await update.bind({ ...vectors });
  const part = {
    grads: new Float32Array(weights.length),
    loss: new Float32Array(1),
    lossPerImage: new Float32Array(size),
  };
  const sum = new Float32Array(weights.length);
  const lossPerImage = new Float32Array(batchSize);
  const gradNorm = new Float32Array(1);
  return {
    async step(batch, scalars) {
      sum.fill(0);
      let loss = 0;
      for (let index = 0; index < microBatches; index++) {
        await gradients.run({ params: weights, ...partOf(batch, { index, size, batchSize }) }, part);
        for (let i = 0; i < sum.length; i++) sum[i]! += part.grads[i]! / microBatches;
        lossPerImage.set(part.lossPerImage, index * size);
        loss += part.loss[0]! / microBatches;
      }
      await bound.run({ grads: sum, ...scalars }, { gradNorm });
      weights = (await bound.read(["params"]))["params"] as typeof weights;
      return { loss, gradNorm: gradNorm[0]!, lossPerImage };
    },
    vectors: async () => await bound.read() as TrainVectors,
  };
}

/** The feeds of one part of a batch; the key of dropout is another one for each. */
function partOf(
  { dropoutKey, ...batch }: HostTensors,
  { index, size, batchSize }: { readonly index: number; readonly size: number; readonly batchSize: number },
): HostTensors {
  const parts = Object.entries(batch).map(([name, values]) => {
    const perImage = values.length / batchSize;
    return [name, values.slice(index * size * perImage, (index + 1) * size * perImage)];
  });
  if (dropoutKey === undefined) return Object.fromEntries(parts);
  const [first, second] = dropoutKey as Int32Array;
  return { ...Object.fromEntries(parts), dropoutKey: Int32Array.of(first!, (second! + index) % 2 ** 31) };
}
