import { defineObjective } from "noiseline";
import { z } from "zod";

/**
 * v, a mixture of image and noise that is worth learning at every time (Salimans & Ho 2022), its error counted as
 * min(SNR, gamma) counts that of the image (Hang et al. 2023).
 *
 * In a pipeline:
 *
 *     train: { uses: train, …, with: { …, objective: { uses: ./new_objective.ts, gamma: 5 } } }
 */
export default defineObjective({
  params: z.strictObject({
    gamma: z.number().positive().default(5).describe("Signal-to-noise ratio above which an error counts no more"),
  }),

  // The network is to say x0 * image + noise * eps. How samplers get the image back follows from this.
  target: ({ signal, noise }) => ({ x0: -noise, noise: signal }),

  // Where signal^2 + noise^2 = 1, an error of v is one of the image by the factor noise.
  weight: ({ signal, noise }, { gamma }) => noise ** 2 * Math.min((signal / noise) ** 2, gamma),
});
