import { definePath } from "noiseline";
import { z } from "zod";

/**
 * An arc of a circle from the image to noise, which preserves the variance: signal^2 + noise^2 = 1. Training uses
 * logit-normal times (Esser et al. 2024).
 *
 * In a pipeline, for every stage that reads a schedule:
 *
 *     path: { uses: schedule, with: { uses: ./new_path.ts, end: 0.995 } }
 */
export default definePath({
  params: z.strictObject({
    end: z.number().gt(0).max(1).default(0.995).describe("How much of the way to pure noise; 1 leaves no signal"),
    center: z.number().min(-4).max(4).default(0).describe("Center of the training times: above 0 nearer to the noise"),
    spread: z.number().positive().max(4).default(2).describe("Spread of the training times around their center"),
  }),
  // u is 0 at the image and 1 at the end.
  signal: (u, { end }) => Math.cos(end * u * Math.PI / 2),
  noise: (u, { end }) => Math.sin(end * u * Math.PI / 2),
  // Leave this out to sample times uniformly.
  draw: ({ normal }, { center, spread }) => 1 / (1 + Math.exp(-(center + spread * normal))),
});
