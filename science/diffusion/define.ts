/**
 * The extension points of the science: a network, an objective, a noise path, a sampler, an augmentation and an
 * autoencoder are each one definition, with its params and its code in one file. The built-in ones are made with these
 * functions as well. They stand together, since one list says of each what it must have, and since their types speak of
 * each other.
 */
import type { Sort } from "../../schemas/definitions.ts";
import type { NamedTensors, Tensor } from "../tensor/device.ts";
import type { AutoencoderDefinition } from "./autoencoder/definition.ts";
import type { DefinitionParams, ImageSizes, ParameterSpec, ParamsOf } from "./definition_params.ts";
import type { DiffusionTables } from "./schedule/tables.ts";

export type * from "./autoencoder/definition.ts";
export type * from "./definition_params.ts";

/** The facts about the images that a network is built for. */
export interface NetworkSizes extends ImageSizes {
  /**
   * Channels of the output: those of the images, or twice as many if the variance of the reverse step is learned too.
   */
  readonly outChannels: number;
  /** Number of classes of a class-conditional network. Absent: unconditional. */
  readonly classes?: number;
  /** Length of the vector that tells the network what an augmentation did to an image. Absent: there is none. */
  readonly augmentation?: number;
}

/** True if the second half of the output is the variance of the reverse step (Nichol & Dhariwal 2021). */
export function learnsVariance({ channels, outChannels }: Pick<NetworkSizes, "channels" | "outChannels">): boolean {
  return outChannels === 2 * channels;
}

/** The inputs of a network's forward pass. */
export interface ForwardInputs {
  /** Parameters by name. */
  readonly weights: Readonly<NamedTensors>;
  /** Noised images, [B, H, W, C]. */
  readonly x: Tensor;
  /** Time, [B] float32 or int32: an index in [0, T) of the path's table, or a value between two of them. */
  readonly t: Tensor;
  /** One-hot labels, [B, classes + 1], the last column for no label. Given to class-conditional networks only. */
  readonly labels?: Tensor | undefined;
  /** Vectors that tell of augmentations, [B, sizes.augmentation]: zeros in sampling. Undefined without that size. */
  readonly augmentation?: Tensor | undefined;
  /**
   * Applies dropout at the rate that the training sets, with a different mask for each call; returns its argument if
   * nothing is dropped, as in sampling.
   */
  readonly dropout: (h: Tensor) => Tensor;
}

/**
 * A network for images of one size: its parameters in the order of the vector that holds them, and its forward pass.
 */
export interface NetworkCode {
  /** All learned parameters. */
  readonly parameters: readonly ParameterSpec[];
  /** A pure function over TF.js tensors. @returns [B, H, W, outChannels] */
  readonly forward: (inputs: ForwardInputs) => Tensor;
}

/** A network of any kind, the default export of the file that `model: { uses: … }` names. */
export interface NetworkDefinition<P extends DefinitionParams = DefinitionParams> {
  /** A strict Zod object. All params are part of the cache key. */
  readonly params: P;
  /** Builds the network for images of this size. A RangeError says what does not fit. */
  build(sizes: NetworkSizes, params: ParamsOf<P>): NetworkCode;
}

/** The time of the image itself, before the first index. */
export const DATA_TIME: number = -1;

/**
 * A noise path x_t = signal(t) x_0 + noise(t) eps. A time is an index of the tables, 0 to T - 1, as the network gets
 * it; -1 is the image. A chain of betas has whole times only; a user's path has any time between them as well.
 */
export interface Path {
  /** T. */
  readonly timesteps: number;
  /** True if there are times between the indices. */
  readonly continuous: boolean;
  /** Factor of x_0; 1 at -1. @throws RangeError at a time that the path does not have */
  readonly signal: (t: number) => number;
  /** Factor of the noise; 0 at -1. @throws RangeError at a time that the path does not have */
  readonly noise: (t: number) => number;
  /** All tables of Ho et al. 2020, for a variance-preserving path, signal^2 + noise^2 = 1; undefined for any other. */
  readonly tables: DiffusionTables | undefined;
  /**
   * Returns `steps` + 1 falling times, `steps` equal steps from T - 1 to -1. On a path with whole times only, they are
   * whole, and `steps` is at most T.
   */
  times(steps: number): number[];
  /** Returns the time of a training image, from one random number uniform in [0, 1) and one from N(0, 1). */
  readonly draw: (random: { readonly uniform: number; readonly normal: number }) => number;
}

/** A point on a path. */
export interface TimePoint {
  /** The whole path. */
  readonly path: Path;
  /** The time; see {@linkcode Path}. */
  readonly t: number;
  /** Factor of x_0 in x_t. */
  readonly signal: number;
  /** Factor of the noise in x_t. */
  readonly noise: number;
}

/** target = x0 x_0 + noise eps. */
export interface TargetMixture {
  /** Factor of x_0. */
  readonly x0: number;
  /** Factor of the noise. */
  readonly noise: number;
}

/** recovered = xt x_t + output (the network's output). */
export interface Recovery {
  /** Factor of x_t. */
  readonly xt: number;
  /** Factor of the output. */
  readonly output: number;
}

/** Common to all objectives. */
export interface ObjectiveBase<P extends DefinitionParams> {
  /** A strict Zod object. All params are part of the cache key. */
  readonly params: P;
  /** The path that the objective needs; absent: any path. `chain`: a variance-preserving path with its tables. */
  readonly needs?: "chain";
}

/**
 * An objective whose target is a mixture of x_0 and the noise. The loss, sampling and the likelihood follow from the
 * target.
 */
export interface MixtureObjective<P extends DefinitionParams = DefinitionParams> extends ObjectiveBase<P> {
  /** Returns the mixture that the network is to predict at a time of the path. */
  target(at: TimePoint, params: ParamsOf<P>): TargetMixture;
  /** Returns the weight of the squared error at t. Default: 1 everywhere. */
  weight?(at: TimePoint, params: ParamsOf<P>): number;
  /** Computes x_0 and eps from the output. Needed only if a form other than the general solution loses fewer digits. */
  recover?(at: TimePoint, params: ParamsOf<P>): { readonly x0: Recovery; readonly eps: Recovery };
}

/** Inputs of a user-defined loss. Images are [B, H, W, C]. */
export interface LossInputs {
  /** Images of the batch, in [-1, 1]. */
  readonly x0: Tensor;
  /** eps ~ N(0, I). */
  readonly noise: Tensor;
  /** x_t = signal x_0 + noise eps. */
  readonly xt: Tensor;
  /** [B] */
  readonly t: Tensor;
  /** Factor of x_0 in x_t, [B, 1, 1, 1]. */
  readonly signal: Tensor;
  /** Factor of the noise in x_t, [B, 1, 1, 1]. */
  readonly noiseLevel: Tensor;
  /** The numbers that `figures` returned for each image's time, [B, 1, 1, 1]. */
  readonly figures: Readonly<NamedTensors>;
  /**
   * Returns the network's output [B, H, W, outChannels] for any images and times, with the labels of the batch and the
   * same dropout masks at each call. `averaged`: with the averaged weights, without dropout and gradients.
   */
  readonly predict: (x: Tensor, t: Tensor, options?: { readonly averaged?: boolean }) => Tensor;
  /** Returns its argument and stops the gradient. */
  readonly stopGradient: (x: Tensor) => Tensor;
}

/**
 * An objective with a loss of any form. It says how to compute x_0 from the output, or names the only sampler that can
 * use the network.
 */
export interface FreeObjective<P extends DefinitionParams = DefinitionParams> extends ObjectiveBase<P> {
  /** Returns the loss of each image, [B]. A pure function over TF.js tensors. */
  loss(inputs: LossInputs, params: ParamsOf<P>): Tensor;
  /**
   * Returns numbers that depend on t alone, computed in float64, such as a second time and its noise level. The names
   * must be the same at each t.
   */
  figures?(at: TimePoint, params: ParamsOf<P>): Readonly<Record<string, number>>;
  /** Computes x_0 from the output. */
  recover?(at: TimePoint, params: ParamsOf<P>): Recovery;
  /** File name of the sampler, such as `consistency.ts`. Required if there is no `recover`. */
  readonly sampler?: string;
}

/** A training objective, the default export of the file that `objective: { uses: … }` names. */
export type ObjectiveDefinition<P extends DefinitionParams = DefinitionParams> = MixtureObjective<P> | FreeObjective<P>;

/**
 * A noise path x_t = signal(u) x_0 + noise(u) eps for u in [0, 1], from the image at 0 to noise at 1; the default
 * export of the file that a `schedule` stage names with `uses`. Its tables hold the path at u = (t + 1) / T, t = 0 … T
 * - 1.
 */
export interface PathDefinition<P extends DefinitionParams = DefinitionParams> {
  /** A strict Zod object. All params are part of the cache key. */
  readonly params: P;
  /** Factor of x_0, in [0, 1], 1 at u = 0, falling. */
  signal(u: number, params: ParamsOf<P>): number;
  /** Factor of the noise, at least 0, 0 at u = 0, rising. */
  noise(u: number, params: ParamsOf<P>): number;
  /**
   * Returns the u in (0, 1] of a training image, from one random number uniform in [0, 1) and one from N(0, 1).
   * Default: 1 - uniform.
   */
  draw?(random: { readonly uniform: number; readonly normal: number }, params: ParamsOf<P>): number;
}

/** The network's prediction for noised images, [B, H, W, C] row-major each. */
export interface Prediction {
  /** The predicted image, guided and clipped as the stage's params say. */
  readonly x0: Float32Array<ArrayBuffer>;
  /** The predicted noise that belongs to that image: (x - signal x_0) / noise. */
  readonly eps: Float32Array<ArrayBuffer>;
  /**
   * If the network learned the variance of the reverse step: the position of the log variance between the smallest and
   * the largest, 0 to 1 (Nichol & Dhariwal 2021, eq. 15).
   */
  readonly variance: Float32Array<ArrayBuffer> | undefined;
  /**
   * The network's output, [B, H, W, outChannels]. If the objective has no `recover`, x0 and eps are NaN, and only this
   * is set.
   */
  readonly output: Float32Array<ArrayBuffer>;
}

/** Inputs of a sampler. */
export interface SamplerInputs<P extends DefinitionParams = DefinitionParams> {
  /** Images at `times[0]`, [B, H, W, C] row-major; about N(0, noise^2). May be changed in place. */
  readonly x: Float32Array<ArrayBuffer>;
  /**
   * The times to visit, from the first to the last. All that `times` returned, or a part: a stage may take one step at
   * a time.
   */
  readonly times: readonly number[];
  /** The path that the network was trained on. */
  readonly path: Path;
  /** The params as their schema outputs them. */
  readonly params: ParamsOf<P>;
  /** Evaluates the network on images at time t. */
  readonly predict: (x: Float32Array<ArrayBuffer>, t: number) => Promise<Prediction>;
  /**
   * Returns z ~ N(0, I) for step k of `times`, the same at each call. Each image has its own noise, which does not
   * depend on the batch.
   */
  readonly noise: (k: number) => Float32Array<ArrayBuffer>;
}

/** Facts about a network that are known before anything runs; absent if unknown. */
export interface KnownNetwork {
  /** T. */
  readonly timesteps?: number | undefined;
  /** True if the network learned the variance of the reverse step too. */
  readonly learnedVariance: boolean;
}

/** A problem that a definition finds with its params. */
export interface DefinitionProblem {
  /** Default: error. */
  readonly severity?: "error" | "warning";
  /** The param, as a path. */
  readonly param: readonly (string | number)[];
  /** The problem, in one sentence. */
  readonly message: string;
  /** The value that the param has. */
  readonly got: string;
  /** The values that the param may have. */
  readonly wanted: string;
  /** Advice on how to fix the problem. */
  readonly fix?: string;
}

/** A sampler, which turns noise into images; the default export of the file that `sampler: { uses: … }` names. */
export interface SamplerDefinition<P extends DefinitionParams = DefinitionParams> {
  /** A strict Zod object. All params are part of the cache key. */
  readonly params: P;
  /** The path that the sampler needs; absent: any path. `chain`: a variance-preserving path with its tables. */
  readonly needs?: "chain";
  /**
   * Returns the times to visit, falling from the noisiest to the last, which is the image itself: -1 (see
   * {@linkcode Path}).
   */
  times(params: ParamsOf<P>, path: Path): readonly number[];
  /**
   * Returns the maximum number of evaluations of the network on a chain of T timesteps. Default: one for each time but
   * the last.
   */
  evaluations?(params: ParamsOf<P>, timesteps: number): number;
  /**
   * Returns the params that do not fit the network. Called for built-in samplers before anything runs, for a user's
   * before the first image.
   */
  check?(params: ParamsOf<P>, network: KnownNetwork): readonly DefinitionProblem[];
  /** Samples along `times`. @returns the images at the last time */
  sample(inputs: SamplerInputs<P>): Promise<Float32Array<ArrayBuffer>>;
}

/** Random numbers for one image at one training step: the same at each call with the same seed. */
export interface AugmentationRandom {
  /** Returns the next number of [0, 1). */
  uniform(): number;
  /** Returns the next number of N(0, 1). */
  normal(): number;
  /** Returns the next integer of [0, bound). */
  integer(bound: number): number;
}

/** Inputs of an augmentation. */
export interface AugmentationInputs {
  /** The image, [H, W, C] row-major, in [-1, 1]; may be changed in place. */
  readonly image: Float32Array<ArrayBuffer>;
  /** Height of the image. */
  readonly height: number;
  /** Width of the image. */
  readonly width: number;
  /** Channels of the image. */
  readonly channels: number;
  /** The only source of randomness. */
  readonly random: AugmentationRandom;
}

/** An augmentation of training images, the default export of the file that `augment: { uses: … }` names. */
export interface AugmentationDefinition<P extends DefinitionParams = DefinitionParams> {
  /** A strict Zod object. All params are part of the cache key. */
  readonly params: P;
  /** Returns the length of `condition`. Default: 0, the network is not told. */
  conditions?(params: ParamsOf<P>): number;
  /** Returns the params that do not fit images of this size. */
  check?(params: ParamsOf<P>, images: ImageSizes): readonly DefinitionProblem[];
  /**
   * Changes one image: a pure function of its inputs. `condition` tells the network what was done, zeros for an image
   * as it is, which is what the network is told when it samples.
   */
  augment(
    inputs: AugmentationInputs,
    params: ParamsOf<P>,
  ): { readonly image: Float32Array<ArrayBuffer>; readonly condition?: readonly number[] };
}

/** The type of definition for each sort. */
export interface Definitions {
  /** The type of a network. */
  readonly network: NetworkDefinition;
  /** The type of an objective. */
  readonly objective: ObjectiveDefinition;
  /** The type of a noise path. */
  readonly path: PathDefinition;
  /** The type of a sampler. */
  readonly sampler: SamplerDefinition;
  /** The type of an augmentation. */
  readonly augmentation: AugmentationDefinition;
  /** The type of an autoencoder. */
  readonly autoencoder: AutoencoderDefinition;
}

/** Marks the sort of a default export. `Symbol.for` works across two copies of this module. */
const SORT = Symbol.for("noiseline.sort");

/** Returns the sort of a definition; undefined for any other value. */
export function sortOf(value: unknown): Sort | undefined {
  return typeof value === "object" && value !== null ? (value as { [SORT]?: Sort })[SORT] : undefined;
}

/** Functions that a definition must have: exactly one of each list. */
const MUST_HAVE: Readonly<Record<Sort, readonly (readonly string[])[]>> = {
  network: [["build"]],
  objective: [["target", "loss"]],
  path: [["signal"], ["noise"]],
  sampler: [["times"], ["sample"]],
  augmentation: [["augment"]],
  autoencoder: [["build"]],
};

/**
 * Checks a definition and marks its sort.
 * @throws TypeError for a definition without a required function, with the user's code on the stack
 */
function marked<D extends object>(sort: Sort, definition: D): D {
  const parts = definition as Readonly<Record<string, unknown>>;
  for (const names of MUST_HAVE[sort]) {
    const got = names.filter((name) => typeof parts[name] === "function");
    if (got.length === 1) continue;
    const wanted = `a function ${names.join(" or ")}${names.length > 1 ? ", and one of them alone" : ""}`;
    throw new TypeError(`Definition of the ${sort}: got ${got.join(" and ") || "none"}, wanted ${wanted}`);
  }
  if ("loss" in parts && parts["recover"] === undefined && parts["sampler"] === undefined) {
    throw new TypeError(
      "Definition of the objective, whose loss is its own: got neither recover nor sampler, wanted one of them",
    );
  }
  return Object.freeze({ ...definition, [SORT]: sort });
}

/** Define a network: from the size of the images to parameters and a forward pass. */
export function defineNetwork<P extends DefinitionParams>(definition: NetworkDefinition<P>): NetworkDefinition<P> {
  return marked("network", definition);
}

/** Define a training objective: a mixture of x_0 and noise with weights by t, or a loss of any form. */
export function defineObjective<P extends DefinitionParams>(definition: MixtureObjective<P>): MixtureObjective<P>;
/** Define a training objective by a loss of any form. */
export function defineObjective<P extends DefinitionParams>(definition: FreeObjective<P>): FreeObjective<P>;
/** Define a training objective of either form. */
export function defineObjective<P extends DefinitionParams>(
  definition: ObjectiveDefinition<P>,
): ObjectiveDefinition<P> {
  return marked("objective", definition);
}

/** Define a noise path by its signal and noise at each time. */
export function definePath<P extends DefinitionParams>(definition: PathDefinition<P>): PathDefinition<P> {
  return marked("path", definition);
}

/** Define a sampler: a loop that evaluates a network on images at falling times. */
export function defineSampler<P extends DefinitionParams>(definition: SamplerDefinition<P>): SamplerDefinition<P> {
  return marked("sampler", definition);
}

/** Define an augmentation: a change of each training image, and what the network is told of the change. */
export function defineAugmentation<P extends DefinitionParams>(
  definition: AugmentationDefinition<P>,
): AugmentationDefinition<P> {
  return marked("augmentation", definition);
}

/** Define an autoencoder: from the size of the images to parameters, an encoder and a decoder. */
export function defineAutoencoder<P extends DefinitionParams>(
  definition: AutoencoderDefinition<P>,
): AutoencoderDefinition<P> {
  return marked("autoencoder", definition);
}
