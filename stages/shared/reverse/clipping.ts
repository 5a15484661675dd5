import { dynamicThreshold } from "../../../diffusion/samplers/dynamic_threshold.ts";
import type { ReverseStep } from "../../../diffusion/samplers/reverse_step.ts";

export interface StepImages {
  /** The next images, [B, H, W, C]; changed. */
  readonly next: Float32Array;
  /** The predictions that they were made from, not clipped; changed. */
  readonly x0: Float32Array;
}

/**
 * Threshold the predictions of one reverse step, image by image, and correct the images that were made of them. On the
 * host, since engines do not sort alike; `next` is affine in x0, so that the change of x0 is all it needs.
 *
 * @param pixels numbers of one image
 */
export function thresholdStep(
  { next, x0 }: StepImages,
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
