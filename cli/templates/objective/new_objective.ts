import { defineObjective } from "noiseline";
import { z } from "zod";

/**
 * Predicts v, a mixture of image and noise that is worth learning at every time (Salimans & Ho 2022). Its error is
 * weighted as min(SNR, gamma) weights the error of the image (Hang et al. 2023).
 *
 * In a pipeline:
 *
 *     train: { uses: train, …, with: { …, objective: { uses: ./new_objective.ts, gamma: 5 } } }
 */
export default defineObjective({
  params: z.strictObject({
    gamma: z.number().positive().default(5).describe("Signal-to-noise ratio above which an error counts no more"),
  }),

  // The network predicts x0 * image + noise * eps. How samplers recover the image follows from this.
  target: ({ signal, noise }) => ({ x0: -noise, noise: signal }),

  // If signal^2 + noise^2 = 1, the error of v is the error of the image divided by noise.
  weight: ({ signal, noise }, { gamma }) => noise ** 2 * Math.min((signal / noise) ** 2, gamma),
});
