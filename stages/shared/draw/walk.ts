import type { CheckProblem } from "../../../engine/contract/stage.ts";
import type { Path, Prediction, SamplerInputs } from "../../../science/diffusion/define.ts";
import { DATA_TIME } from "../../../science/diffusion/path.ts";
import { learnsVariance } from "../../../science/diffusion/network.ts";
import { firstNotFinite } from "../../../science/metrics/vectors.ts";
import { isError } from "../checks.ts";
import { encodeLabels } from "../feeds.ts";
import { yieldToMessages } from "../macrotask.ts";
import { type DrawnNetwork, makePredictor, type PredictorOptions } from "./predictor.ts";
import { checkFit, type ChosenSampler } from "./sampler.ts";

/** Thrown if a sampler does not fit or breaks its contract. Ends the stage, and is not a bug of the toolkit. */
export class SamplerError extends Error {
  constructor({ uses }: Pick<ChosenSampler, "uses">, readonly problem: CheckProblem) {
    super(uses === undefined ? problem.message : `sampler ${uses}: ${problem.message}`);
  }
}

/**
 * Thrown if an image has a number that is NaN or infinite. The sampler alone is not to blame, as another engine may
 * compute a valid number.
 */
export class NonFiniteImages extends SamplerError {}

/** Options of sampling one batch. */
export interface BatchWalk {
  /** Labels for a class-conditional network. Default: none. */
  readonly labels?: readonly (number | undefined)[];
  /** Number of times that the whole path is sampled. Default 1. */
  readonly repeats?: number;
  /** Called after each evaluation of the network, once messages were read. An error that it throws ends sampling. */
  readonly onStep: (done: number) => void;
  /** Gets the images before each evaluation and at the end, with the x_0 that they were computed from; awaited. */
  readonly see?:
    | ((done: number, images: { readonly x: Float32Array; readonly x0: Float32Array }, ended: boolean) => unknown)
    | undefined;
}

/** See {@linkcode openSampler}. */
export type Walk = Awaited<ReturnType<typeof openSampler>>;

/** Makes functions that sample batches of images from noise to data with a sampler. */
export async function openSampler(
  checkpoint: DrawnNetwork,
  { sampler, ...options }: PredictorOptions & { readonly sampler: ChosenSampler },
) {
  const { definition, params, uses } = sampler;
  const { path, network } = checkpoint;
  const times = timesOf(sampler, checkpoint);
  /** Number of evaluations of the network per image. */
  const steps = definition.evaluations?.(params, path.timesteps) ?? times.length - 1;
  const predictor = await makePredictor(checkpoint, options);
  const { pixels } = predictor;
  const length = options.batchSize * pixels;
  const fault = (problem: CheckProblem) => new SamplerError(sampler, problem);

  /** Begins a batch. @returns a function that samples the batch along times, the whole path or a part of it */
  const begin = (
    { labels = new Array<undefined>(options.batchSize).fill(undefined), repeats = 1, onStep, see }: BatchWalk,
  ) => {
    const classes = encodeLabels(network.sizes, labels);
    let done = 0;
    let x0: Float32Array | undefined;
    const predict = async (x: Float32Array<ArrayBuffer>, t: number): Promise<Prediction> => {
      if (done === steps * repeats) {
        throw fault({
          message: "never finishes",
          got: `more than ${done} evaluations of the network`,
          wanted: "as many as it says",
          fix: "end the loop at the last of the times, or say in evaluations how often the network is asked",
        });
      }
      if (x.length !== length) throw fault({ message: "predict", got: `${x.length} numbers`, wanted: `${length}` });
      if (!isOn(path, t) || t === DATA_TIME) {
        throw fault({ message: "predict", got: `time ${t}`, wanted: `a time of the path, 0 to ${path.timesteps - 1}` });
      }
      await see?.(done, { x, x0: x0 ?? x }, false);
      const told = await predictor.predict(x, t, classes);
      x0 = told.x0;
      await yieldToMessages();
      onStep(++done);
      return told;
    };
    return async (from: Omit<SamplerInputs, "path" | "params" | "predict">): Promise<Float32Array<ArrayBuffer>> => {
      const images = await definition.sample({ ...from, path, params, predict });
      const got = images instanceof Float32Array ? `${images.length} numbers` : typeof images;
      if (got !== `${length} numbers`) {
        throw fault({ message: "sample did not return images", got, wanted: `a Float32Array of ${length}` });
      }
      const bad = firstNotFinite(images);
      const message = uses === undefined
        ? `an image has a pixel that is ${images[bad]}: the weights are broken`
        : `sample gave back a number that is ${images[bad]}`;
      if (bad >= 0) throw new NonFiniteImages(sampler, { message });
      await see?.(done, { x: images, x0: x0 ?? images }, true);
      return images;
    };
  };
  return { times, steps, pixels, begin, fault };
}

/** Returns the times of a sampler that fits the network. @throws SamplerError */
function timesOf(sampler: ChosenSampler, { path, network }: Omit<DrawnNetwork, "params">): readonly number[] {
  const { definition, params, uses = "" } = sampler;
  const known = {
    timesteps: path.timesteps,
    learnedVariance: learnsVariance(network.sizes),
    variancePreserving: path.tables !== undefined,
  };
  const problem = checkFit(uses, sampler, known).find(isError);
  if (problem !== undefined) throw new SamplerError(sampler, problem);
  let times: readonly number[];
  try {
    times = definition.times(params, path);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new SamplerError(sampler, { message: error.message });
  }
  const wrong = checkTimes(times, path);
  if (wrong !== undefined) throw new SamplerError(sampler, { message: "times", ...wrong });
  return times;
}

/** Reports what is wrong with the times of a sampler. */
export function checkTimes(times: readonly number[], path: Path): Record<"got" | "wanted", string> | undefined {
  const bad = times.findIndex((t, i) => !isOn(path, t) || (i > 0 && t >= times[i - 1]!));
  if (bad < 0 && times.length > 1 && times.at(-1) === DATA_TIME) return undefined;
  const got = bad < 0 ? `${times.length} times to ${times.at(-1)}` : `${times[bad]} at place ${bad}`;
  return { got, wanted: `times of the path that fall from at most ${path.timesteps - 1} to -1` };
}

function isOn(path: Path, t: number): boolean {
  try {
    return Number.isFinite(path.noise(t));
  } catch {
    return false;
  }
}

/**
 * Returns the standard deviation of the images that sampling starts from. If the path preserves the variance, images
 * are assumed to have that of noise.
 */
export function startDeviation(path: Path, t: number): number {
  return path.tables === undefined ? path.noise(t) : 1;
}
