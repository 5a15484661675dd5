import { x0Recovery } from "../../diffusion/objective.ts";
import { makeReverseStep, reverseStepFeeds, reverseStepSignature } from "../../diffusion/samplers/make_reverse_step.ts";
import type { SampleParams } from "../../schemas/kinds/sample.ts";
import { type Device, randomStream } from "../../tensor/mod.ts";
import { objectiveOf, type StoredCheckpoint } from "../shared/checkpoint.ts";
import { thresholdStep } from "./clipping.ts";
import { samplerSteps } from "./sampler_steps.ts";

export interface DrawOptions extends Pick<SampleParams, "sampler" | "batchSize" | "clip" | "clipQuantile"> {
  readonly device: Device;
  readonly seed: number;
}

export interface BatchDrawer {
  /** Network evaluations per image. */
  readonly steps: number;
  /**
   * Draw the whole batch that starts at image `first`, [B, H, W, C] in [-1, 1] unless clip is `none`. `onStep` is awaited
   * after each reverse step; when it returns false the batch is given up and the result is undefined.
   */
  draw(first: number, onStep: (done: number) => Promise<boolean>): Promise<Float32Array<ArrayBuffer> | undefined>;
}

/**
 * Noise belongs to the image: x_T of image i is step i of one stream, and its z at reverse step k is the i-th piece of
 * step k of another. So an image does not depend on how many are drawn.
 */
export async function makeBatchDrawer(checkpoint: StoredCheckpoint, options: DrawOptions): Promise<BatchDrawer> {
  const { device, sampler, batchSize, seed, clip, clipQuantile } = options;
  const { config, tables, params } = checkpoint;
  const { model } = config;
  const objective = objectiveOf(config);
  const steps = samplerSteps(tables, sampler);
  const variant = { clip: clip === "unit", learnedVariance: steps.some((step) => step.logVariances !== undefined) };
  const compiled = await device.compile(
    makeReverseStep(model, variant),
    reverseStepSignature(model, batchSize, variant),
    { label: "reverse step" },
  );
  const reverse = await compiled.bind({ params });
  const pixels = model.imageSize * model.imageSize * model.inChannels;
  const initial = randomStream({ seed, stream: "sample/initial" });
  const fresh = randomStream({ seed, stream: "sample/step" });
  const empty = () => new Float32Array(batchSize * pixels);
  const [none, z] = [empty(), empty()];

  return {
    steps: steps.length,
    async draw(first, onStep) {
      // Each array changes its part from step to step, since a step may look back at what the one before read and made.
      let [x, next, lastX] = [empty(), empty(), empty()];
      let [x0, lastX0] = [empty(), empty()];
      for (let i = 0; i < batchSize; i++) initial.normal(first + i, x.subarray(i * pixels, (i + 1) * pixels));
      for (const [k, step] of steps.entries()) {
        if (step.extra === "noise") fresh.normal(k, z, { offset: first * pixels });
        const extra = { none, noise: z, lastX0, lastX }[step.extra];
        const recovery = x0Recovery(objective, { tables, t: step.t });
        await reverse.run({ x, extra, ...reverseStepFeeds(step, recovery, batchSize) }, { x: next, x0 });
        if (clip === "dynamic") thresholdStep({ next, x0 }, step, { pixels, quantile: clipQuantile });
        [x, next, lastX] = [next, lastX, x];
        [x0, lastX0] = [lastX0, x0];
        if (!await onStep(k + 1)) return undefined;
      }
      return x;
    },
  };
}
