import type { Path } from "../../science/diffusion/define.ts";
import { builtinSampler, samplerParams } from "../../science/diffusion/samplers.ts";

export interface HostWalk {
  readonly path: Path;
  /** The network: returns x_0 for one number, already clipped. May differ by number. */
  readonly predictX0: (x: number, t: number) => number;
  readonly start: ArrayLike<number>;
  readonly noise?: (k: number) => Float32Array<ArrayBuffer>;
  /** Position of a learned variance in its range, as a fraction. */
  readonly variance?: number;
  /** Chooses times; by default all times of the sampler. */
  readonly times?: (times: readonly number[]) => readonly number[];
}

/** Returns the times of a built-in sampler, the last of them -1. */
export function timesOf(sampler: Record<string, unknown>, path: Path): readonly number[] {
  const { definition, params } = builtinSampler(samplerParams.parse(sampler));
  return definition.times(params, path);
}

/**
 * Samples numbers with a built-in sampler and a network on the host.
 * @returns the numbers, and how often the network was evaluated
 */
export async function walkHost(sampler: Record<string, unknown>, options: HostWalk) {
  const { path, predictX0, start, noise, variance, times: chosen = (times) => times } = options;
  const { definition, params } = builtinSampler(samplerParams.parse(sampler));
  const asked: number[] = [];
  const images = await definition.sample({
    x: Float32Array.from(start),
    times: chosen(definition.times(params, path)),
    path,
    params,
    noise: noise ?? (() => {
      throw new Error("a sampler that is deterministic asked for noise");
    }),
    predict(x, t) {
      asked.push(t);
      const x0 = x.map((value) => predictX0(value, t));
      const eps = x.map((value, i) => (value - path.signal(t) * x0[i]!) / path.noise(t));
      const learned = variance === undefined ? undefined : new Float32Array(x.length).fill(variance);
      return Promise.resolve({ x0, eps, variance: learned, output: x });
    },
  });
  return { images, asked, evaluations: definition.evaluations?.(params, path.timesteps) };
}
