import { defineObjective } from "noiseline";
import { z } from "zod";

/**
 * The velocity eps - x_0 of the straight path from image to noise, dx/du of x_u = (1 - u) x_0 + u eps (Liu et al. 2023;
 * Esser et al. 2024, eq. 4). On this path x_0 = x_u - u v and eps = x_u + (1 - u) v; on other paths both follow from
 * the mixture.
 */
export default defineObjective({
  params: z.strictObject({}),
  target: () => ({ x0: -1, noise: 1 }),
});
