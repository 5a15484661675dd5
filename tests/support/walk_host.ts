import type { Path } from "../../diffusion/define.ts";
import { builtinSampler, samplerParams } from "../../diffusion/samplers.ts";

export interface HostWalk {
  readonly path: Path;
  /** The network: x_0 of one number, bounded as it is to be. May differ by number. */
  readonly predictX0: (x: number, t: number) => number;
  readonly start: ArrayLike<number>;
  readonly noise?: (k: number) => Float32Array<ArrayBuffer>;
  /** Fraction of a learned variance. */
  readonly variance?: number;
  /** Default: all that the sampler says. */
  readonly times?: (times: readonly number[]) => readonly number[];
}

/** Times of a sampler of the toolkit, the last of them -1. */
export function timesOf(sampler: Record<string, unknown>, path: Path): readonly number[] {
  const { definition, params } = builtinSampler(samplerParams.parse(sampler));
  return definition.times(params, path);
}

/** Walk numbers with a sampler of the toolkit and a network on the host. @returns them, and how often the network was asked */
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
