import { definePath } from "noiseline";
import { z } from "zod";

/**
 * The straight path x_u = (1 - u) x_0 + u eps of rectified flow (Liu et al. 2023) and flow matching (Lipman et al.
 * 2023), from the image at u = 0 to noise at u = 1. It does not preserve the variance.
 *
 * Training samples u uniformly, or by the logit-normal density, u = sigmoid(m + s z), which visits the middle of the
 * path more often (Esser et al. 2024, section 3.1).
 */
export default definePath({
  params: z.strictObject({
    draw: z.enum(["uniform", "logit-normal"]).default("uniform").describe("How training draws u"),
    m: z.number().min(-5).max(5).default(0).describe(
      "Location of logit-normal: above 0 noisier, below 0 cleaner images",
    ),
    s: z.number().min(0.01).max(5).default(1).describe("Spread of logit-normal"),
  }),
  signal: (u) => 1 - u,
  noise: (u) => u,
  draw: ({ uniform, normal }, { draw, m, s }) => draw === "uniform" ? 1 - uniform : 1 / (1 + Math.exp(-m - s * normal)),
});
