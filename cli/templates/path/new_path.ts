import { definePath } from "noiseline";
import { z } from "zod";

const params = z.strictObject({
  end: z.number().gt(0).max(1).default(0.995).describe(
    "How far to go of the way to pure noise; 1 leaves no signal, which the objective eps cannot learn",
  ),
  center: z.number().default(0).describe(
    "Where most training images are: above 0 nearer to the noise, below to the image",
  ),
  spread: z.number().positive().max(10).default(2).describe(
    "How far they are spread around it",
  ),
});

function angle(u: number, { end }: z.output<typeof params>): number {
  return end * u * Math.PI / 2;
}

/**
 * A quarter of a circle from the image to noise, which preserves the variance: signal^2 + noise^2 = 1. Training draws
 * logit-normal times (Esser et al. 2024).
 *
 * In a pipeline, where a schedule is read:
 *
 *     path: { uses: schedule, with: { uses: ./new_path.ts, end: 0.995 } }
 */
export default definePath({
  params,
  // u is 0 at the image and 1 at the end.
  signal: (u, params) => Math.cos(angle(u, params)),
  noise: (u, params) => Math.sin(angle(u, params)),
  // Leave this out to draw evenly.
  draw: ({ normal }, { center, spread }) => 1 / (1 + Math.exp(-(center + spread * normal))),
});
