import { epsRecovery, type Objective } from "../../diffusion/objective.ts";
import type { DiffusionTables } from "../../diffusion/schedule/tables.ts";
import { randomStream } from "../../tensor/mod.ts";
import type { Work } from "./evaluator.ts";

export interface NoiseErrorOptions {
  readonly tables: DiffusionTables;
  readonly objective: Objective;
  /** Of each image. */
  readonly timesteps: Int32Array;
  readonly seed: number;
}

/**
 * L_simple of each image (Ho et al. 2020, eq. 14) at its own timestep and noise, functions of its index: the mean over
 * pixels of the squared error of the noise. The prediction gives the noise back whatever the objective, so that networks
 * of different objectives compare.
 */
export function noiseErrors({ tables, objective, timesteps, seed }: NoiseErrorOptions): Work {
  const normals = randomStream({ seed, stream: "evaluate/noise" });
  return {
    count: timesteps.length,
    figures: 1,
    item: (image) => ({ image, t: timesteps[image]!, fillNoise: (out) => normals.normal(image, out) }),
    score({ t, noise, xt, prediction }) {
      const recovery = epsRecovery(objective, { tables, t });
      let sum = 0;
      for (let k = 0; k < noise.length; k++) {
        sum += (noise[k]! - (recovery.xt * xt[k]! + recovery.output * prediction[k]!)) ** 2;
      }
      return [sum / noise.length];
    },
  };
}
