import { x0Recovery } from "../../../diffusion/objective.ts";
import {
  makeReverseStep,
  reverseStepFeeds,
  reverseStepSignature,
} from "../../../diffusion/samplers/make_reverse_step.ts";
import type { ReverseStep } from "../../../diffusion/samplers/reverse_step.ts";
import type { SampleParams, SamplerParams } from "../../sample/params.ts";
import type { Device, HostTensors } from "../../../tensor/mod.ts";
import { objectiveOf, type StoredCheckpoint } from "../../../artifacts/checkpoint.ts";
import { thresholdStep } from "./clipping.ts";
import { samplerSteps } from "./sampler_steps.ts";

export interface WalkerOptions extends Pick<SampleParams, "batchSize" | "clip" | "clipQuantile"> {
  readonly device: Device;
  readonly sampler: SamplerParams;
  /** 1 asks the network once for each image; any other number twice. */
  readonly guidance: number;
}

/** The images after a step and the predictions that they were made from, [B, H, W, C]; valid until the next step. */
export interface Walked {
  /** May be changed in place before the next step. */
  readonly x: Float32Array<ArrayBuffer>;
  /** Clipped as the params say. */
  readonly x0: Float32Array<ArrayBuffer>;
}

/** Walks a batch of images from noise to data, one reverse step at a time. */
export interface ReverseWalker {
  readonly steps: readonly ReverseStep[];
  /** Numbers of one image. */
  readonly pixels: number;
  /** Start from these images, which are copied. @param classes of class-conditional networks, see `oneHotLabels` */
  begin(x: Float32Array, classes?: Float32Array): void;
  /** Take step `k`. @param noise fills z ~ N(0, I) where the step draws any */
  step(k: number, noise: (z: Float32Array<ArrayBuffer>) => void): Promise<Walked>;
}

export async function makeReverseWalker(checkpoint: StoredCheckpoint, options: WalkerOptions): Promise<ReverseWalker> {
  const { device, sampler, batchSize, clip, clipQuantile, guidance } = options;
  const { config, tables, params } = checkpoint;
  const { model } = config;
  const objective = objectiveOf(config);
  const steps = samplerSteps(tables, sampler);
  const guided = guidance !== 1;
  const variant = {
    clip: clip === "unit",
    learnedVariance: steps.some((step) => step.logVariances !== undefined),
    guided,
  };
  const compiled = await device.compile(
    makeReverseStep(model, variant),
    reverseStepSignature(model, batchSize, variant),
    { label: "reverse step" },
  );
  const reverse = await compiled.bind({ params });
  const pixels = model.imageSize * model.imageSize * model.inChannels;
  const empty = () => new Float32Array(batchSize * pixels);
  const [none, z] = [empty(), empty()];
  // Each array changes its part from step to step, since a step may look back at what the one before read and made.
  let [x, next, lastX] = [empty(), empty(), empty()];
  let [x0, lastX0] = [empty(), empty()];
  let told: HostTensors = {};

  return {
    steps,
    pixels,
    begin(start, classes) {
      x.set(start);
      told = {
        ...(classes === undefined ? {} : { classes }),
        ...(guided ? { guidance: Float32Array.of(guidance) } : {}),
      } as HostTensors;
    },
    async step(k, noise) {
      const step = steps[k]!;
      if (step.extra === "noise") noise(z);
      const extra = { none, noise: z, lastX0, lastX }[step.extra];
      const recovery = x0Recovery(objective, { tables, t: step.t });
      await reverse.run({ x, extra, ...told, ...reverseStepFeeds(step, recovery, batchSize) }, { x: next, x0 });
      if (clip === "dynamic") thresholdStep({ next, x0 }, step, { pixels, quantile: clipQuantile });
      [x, next, lastX] = [next, lastX, x];
      [x0, lastX0] = [lastX0, x0];
      return { x, x0: lastX0 };
    },
  };
}
