import { ancestralSteps } from "../../diffusion/samplers/ancestral.ts";
import { ddimSteps } from "../../diffusion/samplers/ddim.ts";
import { makeReverseStep, reverseStepFeeds, reverseStepSignature } from "../../diffusion/samplers/make_reverse_step.ts";
import type { ReverseStep } from "../../diffusion/samplers/reverse_step.ts";
import type { DiffusionTables } from "../../diffusion/schedule/tables.ts";
import type { SamplerParams } from "../../schemas/kinds/sample.ts";
import { type Device, randomStream } from "../../tensor/mod.ts";
import type { StoredCheckpoint } from "../shared/checkpoint.ts";

export interface DrawOptions {
  readonly device: Device;
  readonly sampler: SamplerParams;
  readonly batchSize: number;
  readonly seed: number;
}

export interface BatchDrawer {
  /** Network evaluations per image. */
  readonly steps: number;
  /**
   * Draw the whole batch that starts at image `first`, [B, H, W, C] in [-1, 1]. `onStep` is awaited after each reverse
   * step; when it returns false the batch is given up and the result is undefined.
   */
  draw(first: number, onStep: (done: number) => Promise<boolean>): Promise<Float32Array<ArrayBuffer> | undefined>;
}

/**
 * Noise belongs to the image: x_T of image i is step i of one stream, and its z at reverse step k is the i-th piece of
 * step k of another. So an image does not depend on how many are drawn.
 */
export async function makeBatchDrawer(checkpoint: StoredCheckpoint, options: DrawOptions): Promise<BatchDrawer> {
  const { device, sampler, batchSize, seed } = options;
  const { config: { model }, tables, params } = checkpoint;
  const steps = reverseSteps(tables, sampler);
  const compiled = await device.compile(makeReverseStep(model), reverseStepSignature(model, batchSize), {
    label: "reverse step",
  });
  const reverse = await compiled.bind({ params });
  const pixels = model.imageSize * model.imageSize * model.inChannels;
  const initial = randomStream({ seed, stream: "sample/initial" });
  const fresh = randomStream({ seed, stream: "sample/step" });
  const empty = () => new Float32Array(batchSize * pixels);
  const [z, x0] = [empty(), empty()];

  return {
    steps: steps.length,
    async draw(first, onStep) {
      let [x, next] = [empty(), empty()];
      for (let i = 0; i < batchSize; i++) initial.normal(first + i, x.subarray(i * pixels, (i + 1) * pixels));
      for (const [k, step] of steps.entries()) {
        if (step.sigma === 0) z.fill(0);
        else fresh.normal(k, z, { offset: first * pixels });
        await reverse.run({ x, z, ...reverseStepFeeds(step, batchSize) }, { x: next, x0 });
        [x, next] = [next, x];
        if (!await onStep(k + 1)) return undefined;
      }
      return x;
    },
  };
}

function reverseSteps(tables: DiffusionTables, sampler: SamplerParams): ReverseStep[] {
  return sampler.name === "ancestral" ? ancestralSteps(tables, sampler) : ddimSteps(tables, sampler);
}
