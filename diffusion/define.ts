import type { Sort } from "../schemas/definitions.ts";
import type { NamedTensors, Tensor } from "../tensor/device.ts";
import type { DiffusionTables } from "./schedule/tables.ts";

/**
 * The four doors of the science: a network, an objective, a noise path and a sampler are each one definition, its params
 * and its code in one file. Those that come with the toolkit are made with these functions as well.
 */

/** A Zod object, by what is needed of it here. */
export interface DefinitionParams {
  /** The schema of each param. */
  readonly shape: Readonly<Record<string, unknown>>;
  /** Types of the params before and after parsing. */
  readonly _zod: { readonly input: object; readonly output: object };
}

/** Params as their schema gives them out. */
export type ParamsOf<P extends DefinitionParams> = P["_zod"]["output"];

/** What of the images a network must know. */
export interface NetworkSizes {
  /** Of the images, in pixels. */
  readonly height: number;
  /** Of the images, in pixels. */
  readonly width: number;
  /** Of the images. */
  readonly channels: number;
  /** Of the output: those of the images, or twice as many where the variance of the reverse step is learned too. */
  readonly outChannels: number;
  /** Number of classes of a class-conditional network. Absent: unconditional. */
  readonly classes?: number;
}

/**
 * How a parameter starts. `zeros` and `ones`; `normal`: N(0, normal^2); `uniform`: in [-uniform, uniform]; `scale`: variance
 * scaling (fan average, uniform), in +-sqrt(3 scale / mean(fanIn, fanOut)).
 */
export type Init =
  | "zeros"
  | "ones"
  | { readonly normal: number }
  | { readonly uniform: number }
  | { readonly scale: number; readonly fanIn: number; readonly fanOut: number };

/** One parameter of a network. */
export interface ParameterSpec {
  /** Unique in the network; its name in the files of a checkpoint. */
  readonly name: string;
  /** Positive integers; [] is one number. */
  readonly shape: readonly number[];
  /** How it starts. */
  readonly init: Init;
}

/** What a network computes on. */
export interface ForwardInputs {
  /** Parameters by name. */
  readonly weights: Readonly<NamedTensors>;
  /** Noised images, [B, H, W, C]. */
  readonly x: Tensor;
  /** Time, [B] float32 or int32: an index in [0, T) of the path's table, also between two of them. */
  readonly t: Tensor;
  /** One-hot labels, [B, classes + 1], the last column for none. Given to class-conditional networks alone. */
  readonly labels?: Tensor | undefined;
  /**
   * Dropout at the rate that the training says, each call with a mask of its own; gives back its argument where nothing is
   * dropped, as in sampling.
   */
  readonly dropout: (h: Tensor) => Tensor;
}

/** A network for images of one size: its parameters in the order of the vector that holds them, and what it computes. */
export interface NetworkCode {
  /** All that is learned. */
  readonly parameters: readonly ParameterSpec[];
  /** A pure function over TF.js tensors. @returns [B, H, W, outChannels] */
  readonly forward: (inputs: ForwardInputs) => Tensor;
}

/** A network of any sort, the default export of the file that `model: { uses: … }` names. */
export interface NetworkDefinition<P extends DefinitionParams = DefinitionParams> {
  /** A strict Zod object; all of them are in the key. */
  readonly params: P;
  /** The network for images of this size. A RangeError says what does not fit. */
  build(sizes: NetworkSizes, params: ParamsOf<P>): NetworkCode;
}

/** The image itself, as a time: before the first index. */
export const DATA_TIME: number = -1;

/**
 * A noise path x_t = signal(t) x_0 + noise(t) eps. A time is an index of the tables, 0 to T - 1, as the network is told it;
 * -1 is the image. A chain of betas has whole times alone; a path of one's own any between.
 */
export interface Path {
  /** T. */
  readonly timesteps: number;
  /** Whether there are times between the indices. */
  readonly continuous: boolean;
  /** Factor of x_0; 1 at -1. @throws RangeError at a time that the path does not have */
  readonly signal: (t: number) => number;
  /** Factor of the noise; 0 at -1. @throws RangeError at a time that the path does not have */
  readonly noise: (t: number) => number;
  /** Of a variance-preserving path, signal^2 + noise^2 = 1: all tables of Ho et al. 2020. */
  readonly tables: DiffusionTables | undefined;
  /** `steps` equal steps from T - 1 to -1: `steps` + 1 falling times. Whole where only these are; `steps` is at most T then. */
  times(steps: number): number[];
  /** The time of a training image, from one draw of a uniform in [0, 1) and one of N(0, 1). */
  readonly draw: (random: { readonly uniform: number; readonly normal: number }) => number;
}

/** A place on a path. */
export interface TimePoint {
  /** The whole of it. */
  readonly path: Path;
  /** See {@linkcode Path}. */
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

/** What all objectives have. */
export interface ObjectiveBase<P extends DefinitionParams> {
  /** A strict Zod object; all of them are in the key. */
  readonly params: P;
  /** What it needs of the path; without it any will do. `chain`: the tables of a variance-preserving one. */
  readonly needs?: "chain";
}

/** An objective whose target is a mixture of x_0 and the noise: loss, sampling and likelihood follow from it. */
export interface MixtureObjective<P extends DefinitionParams = DefinitionParams> extends ObjectiveBase<P> {
  /** What the network is to say at a time of the path. */
  target(at: TimePoint, params: ParamsOf<P>): TargetMixture;
  /** How much the squared error counts at t. Default: 1 everywhere. */
  weight?(at: TimePoint, params: ParamsOf<P>): number;
  /** x_0 and eps from the output, where a form that is not the general solution loses fewer digits. */
  recover?(at: TimePoint, params: ParamsOf<P>): { readonly x0: Recovery; readonly eps: Recovery };
}

/** What a free loss is made from. Images are [B, H, W, C]. */
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
  /** What `figures` gave for each image, [B, 1, 1, 1]. */
  readonly figures: Readonly<NamedTensors>;
  /**
   * The network's output [B, H, W, outChannels] for images and times of one's own, with the labels of the batch and the
   * same dropout masks at each call. `averaged`: by the averaged weights, without dropout and gradients.
   */
  readonly predict: (x: Tensor, t: Tensor, options?: { readonly averaged?: boolean }) => Tensor;
  /** Its argument, through which no gradient passes. */
  readonly stopGradient: (x: Tensor) => Tensor;
}

/** An objective of any form. It says how the output gives x_0, or names the sampler that alone can use the network. */
export interface FreeObjective<P extends DefinitionParams = DefinitionParams> extends ObjectiveBase<P> {
  /** The loss of each image, [B]. A pure function over TF.js tensors. */
  loss(inputs: LossInputs, params: ParamsOf<P>): Tensor;
  /** Numbers that depend on t alone, such as another time and the levels there, computed in float64. The same names at each t. */
  figures?(at: TimePoint, params: ParamsOf<P>): Readonly<Record<string, number>>;
  /** x_0 from the output. */
  recover?(at: TimePoint, params: ParamsOf<P>): Recovery;
  /** File name of the sampler, such as `consistency.ts`, where there is no `recover`. */
  readonly sampler?: string;
}

/** What a network learns, the default export of the file that `objective: { uses: … }` names. */
export type ObjectiveDefinition<P extends DefinitionParams = DefinitionParams> = MixtureObjective<P> | FreeObjective<P>;

/**
 * A noise path x_t = signal(u) x_0 + noise(u) eps for u in [0, 1], from the image at 0 to noise at 1; the default export of the
 * file that a `schedule` stage names with `uses`. Tables are the path at u = (t + 1) / T, t = 0 … T - 1.
 */
export interface PathDefinition<P extends DefinitionParams = DefinitionParams> {
  /** A strict Zod object; all of them are in the key. */
  readonly params: P;
  /** In [0, 1], 1 at u = 0, falling. */
  signal(u: number, params: ParamsOf<P>): number;
  /** At least 0, 0 at u = 0, rising. */
  noise(u: number, params: ParamsOf<P>): number;
  /** The u in (0, 1] of a training image, from one draw of a uniform in [0, 1) and one of N(0, 1). Default: 1 - uniform. */
  draw?(random: { readonly uniform: number; readonly normal: number }, params: ParamsOf<P>): number;
}

/** What a network says of noised images, [B, H, W, C] row-major each. */
export interface Prediction {
  /** The image that it sees, guided and clipped as the stage's params say. */
  readonly x0: Float32Array<ArrayBuffer>;
  /** The noise that belongs to that image: (x - signal x_0) / noise. */
  readonly eps: Float32Array<ArrayBuffer>;
  /**
   * Where the network learned the variance of the reverse step: where its logarithm lies between the smallest and the
   * largest, 0 to 1 (Nichol & Dhariwal 2021, eq. 15).
   */
  readonly variance: Float32Array<ArrayBuffer> | undefined;
  /** What the network said, [B, H, W, outChannels]. All that there is where the objective has no `recover`: x0 and eps are NaN then. */
  readonly output: Float32Array<ArrayBuffer>;
}

/** What a sampler walks with. */
export interface SamplerInputs<P extends DefinitionParams = DefinitionParams> {
  /** Images at `times[0]`, [B, H, W, C] row-major; about N(0, noise^2). May be changed in place. */
  readonly x: Float32Array<ArrayBuffer>;
  /** Where to go, from the first to the last. What `times` gave, or a part of it: a stage may take one step at a time. */
  readonly times: readonly number[];
  /** The path that the network was trained on. */
  readonly path: Path;
  /** As the schema gives them out. */
  readonly params: ParamsOf<P>;
  /** Ask the network about images at time t. */
  readonly predict: (x: Float32Array<ArrayBuffer>, t: number) => Promise<Prediction>;
  /** z ~ N(0, I) for step k of `times`, the same at each call; it belongs to the image and does not depend on the batch. */
  readonly noise: (k: number) => Float32Array<ArrayBuffer>;
}

/** What is known of a network before anything runs; absent where it is not. */
export interface KnownNetwork {
  /** T. */
  readonly timesteps?: number | undefined;
  /** Whether the variance of the reverse step was learned too. */
  readonly learnedVariance: boolean;
}

/** What a definition finds wrong with its params. */
export interface DefinitionProblem {
  /** An error where it does not say. */
  readonly severity?: "error" | "warning";
  /** The param, as a path. */
  readonly param: readonly (string | number)[];
  /** What is wrong, in one sentence. */
  readonly message: string;
  /** What the param is. */
  readonly got: string;
  /** What it may be. */
  readonly wanted: string;
  /** What to do. */
  readonly fix?: string;
}

/** How to come from noise to an image, the default export of the file that `sampler: { uses: … }` names. */
export interface SamplerDefinition<P extends DefinitionParams = DefinitionParams> {
  /** A strict Zod object; all of them are in the key. */
  readonly params: P;
  /** What it needs of the path; without it any will do. `chain`: the tables of a variance-preserving one. */
  readonly needs?: "chain";
  /** Times that are visited, falling from the noisiest to the last, which is the image itself: -1 (see {@linkcode Path}). */
  times(params: ParamsOf<P>, path: Path): readonly number[];
  /** The most evaluations of the network on a chain of T timesteps. Default: one for each time but the last. */
  evaluations?(params: ParamsOf<P>, timesteps: number): number;
  /** What does not fit the network; of the toolkit's own called before anything runs, of a user's before the first image. */
  check?(params: ParamsOf<P>, network: KnownNetwork): readonly DefinitionProblem[];
  /** Walk along `times`. @returns the images at the last of them */
  sample(inputs: SamplerInputs<P>): Promise<Float32Array<ArrayBuffer>>;
}

/** Definitions by what they are of. */
export interface Definitions {
  /** Of a network. */
  readonly network: NetworkDefinition;
  /** Of an objective. */
  readonly objective: ObjectiveDefinition;
  /** Of a noise path. */
  readonly path: PathDefinition;
  /** Of a sampler. */
  readonly sampler: SamplerDefinition;
}

/** Says what sort a default export is of, also across two copies of this module. */
const SORT = Symbol.for("noiseline.sort");

/** What sort of definition a value is; undefined of anything else. */
export function sortOf(value: unknown): Sort | undefined {
  return typeof value === "object" && value !== null ? (value as { [SORT]?: Sort })[SORT] : undefined;
}

/** Functions that a definition must have, one of each list. */
const MUST_HAVE: Readonly<Record<Sort, readonly (readonly string[])[]>> = {
  network: [["build"]],
  objective: [["target", "loss"]],
  path: [["signal"], ["noise"]],
  sampler: [["times"], ["sample"]],
};

/** @throws TypeError, where the user's own code is on the stack, for a definition without what it must have */
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

/** Define a network of one's own: from the size of the images to parameters and a forward pass. */
export function defineNetwork<P extends DefinitionParams>(definition: NetworkDefinition<P>): NetworkDefinition<P> {
  return marked("network", definition);
}

/** Define what a network learns: a mixture of x_0 and noise with weights by t, or a loss of any form. */
export function defineObjective<P extends DefinitionParams>(definition: MixtureObjective<P>): MixtureObjective<P>;
/** Define what a network learns by a loss of any form. */
export function defineObjective<P extends DefinitionParams>(definition: FreeObjective<P>): FreeObjective<P>;
/** Either. */
export function defineObjective<P extends DefinitionParams>(
  definition: ObjectiveDefinition<P>,
): ObjectiveDefinition<P> {
  return marked("objective", definition);
}

/** Define a noise path by its signal and noise at each time. */
export function definePath<P extends DefinitionParams>(definition: PathDefinition<P>): PathDefinition<P> {
  return marked("path", definition);
}

/** Define a sampler: a loop that asks a network about images at falling times. */
export function defineSampler<P extends DefinitionParams>(definition: SamplerDefinition<P>): SamplerDefinition<P> {
  return marked("sampler", definition);
}
