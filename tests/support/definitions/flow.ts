import { definePath } from "noiseline";
import { z } from "zod";
import { one } from "./lib/one.ts";
/** A path. */
export default definePath({
  params: z.strictObject({ power: z.number().positive().default(1) }),
  signal: (u: number, { power }) => Math.cos(Math.PI / 2 * u ** power) * one,
  noise: (u, { power }) => Math.sin(Math.PI / 2 * u ** power),
});
