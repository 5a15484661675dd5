import { objectiveOf, type StoredCheckpoint } from "../../../artifacts/checkpoint.ts";
import { x0Recovery } from "../../../diffusion/objective.ts";
import { ancestralSteps } from "../../../diffusion/samplers/ancestral.ts";
import { ddimSteps } from "../../../diffusion/samplers/ddim.ts";
import { dpmSolverSteps } from "../../../diffusion/samplers/dpm_solver.ts";
import { dynamicThreshold } from "../../../diffusion/samplers/dynamic_threshold.ts";
import { heunSteps } from "../../../diffusion/samplers/heun.ts";
import {
  makeReverseStep,
  reverseStepFeeds,
  reverseStepSignature,
} from "../../../diffusion/samplers/make_reverse_step.ts";
import type { ReverseStep } from "../../../diffusion/samplers/reverse_step.ts";
import type { DiffusionTables } from "../../../diffusion/schedule/tables.ts";
import { definedOnly } from "../../../std/defined_only.ts";
import type { Device, HostTensors } from "../../../tensor/mod.ts";
import type { SamplerParams } from "./params.ts";

interface WalkerOptions {
  readonly device: Device;
  readonly batchSize: number;
  /** How the predicted image is bounded at each step. Default `unit`. */
  readonly clip?: "unit" | "dynamic" | "none";
  /** Of `dynamic`: the quantile of |x0| that is brought to 1. */
  readonly clipQuantile?: number;
  readonly sampler: SamplerParams;
  /** 1 asks the network once for each image; any other number twice. Default 1. */
  readonly guidance?: number;
}

/** Walks a batch of images from noise to data, one reverse step at a time. */
export async function makeReverseWalker(checkpoint: StoredCheckpoint, options: WalkerOptions) {
  const { device, sampler, batchSize, clip = "unit", clipQuantile = 1, guidance = 1 } = options;
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
    /** Numbers of one image. */
    pixels,
    /** Start from these images, which are copied. @param classes of class-conditional networks, see `oneHotLabels` */
    begin(start: Float32Array, classes?: Float32Array): void {
      x.set(start);
      told = definedOnly({ classes, guidance: guided ? Float32Array.of(guidance) : undefined }) as HostTensors;
    },
    /**
     * Take step `k`. @param noise fills z ~ N(0, I) where the step draws any
     *
     * @returns the images after it, which may be changed in place before the next step, and the predictions that they were
     * made from, clipped as the params say; [B, H, W, C], valid until the next step
     */
    async step(k: number, noise: (z: Float32Array<ArrayBuffer>) => void) {
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

/**
 * Threshold the predictions of one reverse step, image by image, and correct the images that were made of them. On the
 * host, since engines do not sort alike; `next` is affine in x0, so that the change of x0 is all it needs.
 *
 * @param images the next ones and the predictions that they were made from, not clipped, [B, H, W, C]; both are changed
 * @param pixels numbers of one image
 */
export function thresholdStep(
  { next, x0 }: { readonly next: Float32Array; readonly x0: Float32Array },
  step: ReverseStep,
  { pixels, quantile }: { readonly pixels: number; readonly quantile: number },
): void {
  for (let start = 0; start < x0.length; start += pixels) {
    const image = x0.subarray(start, start + pixels);
    const before = image.slice();
    dynamicThreshold(image, quantile);
    for (let i = 0; i < pixels; i++) next[start + i]! += step.coefX0 * (image[i]! - before[i]!);
  }
}

/** The steps of a sampler over a chain, in the order of sampling; one evaluation of the network each. */
export function samplerSteps(tables: DiffusionTables, sampler: SamplerParams): ReverseStep[] {
  switch (sampler.name) {
    case "ancestral":
      return ancestralSteps(tables, definedOnly(sampler));
    case "ddim":
      return ddimSteps(tables, sampler);
    case "dpmpp-2m":
      return dpmSolverSteps(tables, sampler);
    case "heun":
      return heunSteps(tables, definedOnly(sampler));
  }
}
