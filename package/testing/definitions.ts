import { imagesInMemory } from "../../artifacts/image_files.ts";
import * as tf from "@tensorflow/tfjs-core";
import { makeAutoencoder } from "../../science/diffusion/autoencoder/autoencoder.ts";
import { autoencoderLossParams } from "../../science/diffusion/autoencoder/loss_params.ts";
import {
  type AugmentationDefinition,
  type AutoencoderDefinition,
  DATA_TIME,
  type DefinitionParams,
  type FreeObjective,
  type ImageSizes,
  type NetworkDefinition,
  type NetworkSizes,
  type ObjectiveDefinition,
  type ParamsOf,
  type Path,
  type PathDefinition,
  type SamplerDefinition,
  type TimePoint,
} from "../../science/diffusion/define.ts";
import { countOf } from "../../std/count_of.ts";
import { diffusionLoss } from "../../science/diffusion/diffusion_loss.ts";
import { gradientStepSignature } from "../../science/diffusion/gradient_step.ts";
import { freeLoss } from "../../science/diffusion/loss_tables.ts";
import {
  makeModelOutput,
  makeNetwork,
  modelOutputSignature,
  type Network,
  oneHotLabels,
  sizeOf,
  unpackTensors,
} from "../../science/diffusion/network.ts";
import { makeObjective, type Objective } from "../../science/diffusion/objective.ts";
import { chainPath, definedPath, timePoint } from "../../science/diffusion/path.ts";
import { pathProblems } from "../../science/diffusion/path_problems.ts";
import { mix } from "../../science/diffusion/samplers/mix.ts";
import { makeTables } from "../../science/diffusion/schedule/tables.ts";
import { meanAndDeviation } from "../../science/metrics/spread.ts";
import type { HostArray, NamedTensors, Tensor } from "../../science/tensor/device.ts";
import type { DeviceName } from "../../science/tensor/devices.ts";
import { randomStream } from "../../science/tensor/random/stream.ts";
import { checkAutoencoderCode } from "../../stages/shared/autoencoder_checks.ts";
import { describeProblem, isError } from "../../stages/shared/checks.ts";
import { checkAugmentationCode, checkLossCode, checkNetworkCode } from "../../stages/shared/definition_checks.ts";
import { checkObjectiveAt, type CodeProblem, shown } from "../../stages/shared/definition_checks.ts";
import { checkTimes, startDeviation } from "../../stages/shared/draw/walk.ts";
import { makeBatches } from "../../stages/train/batches.ts";
import { initialWeights } from "../../stages/shared/training.ts";
import { checkGradients, type Computation } from "./gradients.ts";

/** Options for the check of a definition. */
export interface CheckOptions<P extends DefinitionParams> {
  /** As in a pipeline file: defaults are filled in. */
  readonly params?: P["_zod"]["input"];
  /** The devices on which a network or a free loss is computed. Default: all devices of this machine. */
  readonly devices?: readonly DeviceName[];
}

/** Options for definitions that work with more than one path. */
export interface PathOptions {
  /** Default: a chain of betas and, unless the definition needs a chain, a straight line. */
  readonly path?: PathDefinition;
}

/**
 * Check a network: its output has the right shape; it is a pure function; every parameter affects the output; its
 * gradients equal central differences, to 2% of their length; no tensor outlives a call; the output for an image does
 * not depend on the others of the batch; all devices agree to 1%. Parameters are moved off their initial values, so
 * that parameters that start at zero hide nothing.
 *
 * @param options.sizes the sizes to build the network for; default: 8x8 pixels, one channel, as many output channels,
 * no classes
 * @throws Error that lists everything that fails. Errors of `build` are passed on.
 */
export async function checkNetwork<P extends DefinitionParams>(
  definition: NetworkDefinition<P>,
  { params, sizes: { channels = 1, ...given } = {}, devices }: CheckOptions<P> & {
    readonly sizes?: Partial<NetworkSizes>;
  } = {},
): Promise<void> {
  const sizes: NetworkSizes = { height: 8, width: 8, outChannels: channels, ...given, channels };
  const network = makeNetwork(sizes, definition.build(sizes, parseParams(definition, params)));
  throwProblems("network", await checkNetworkCode(network));
  const times = new Float32Array([0, 100.5, 999]);
  const { classes } = sizes;
  const { params: _, ...signature } = modelOutputSignature(network, IMAGES, "float32");
  const inputs = {
    x: random.normal(0, IMAGES * sizes.height * sizes.width * channels),
    t: times,
    ...classes === undefined ? {} : { classes: oneHotLabels([0, classes - 1, undefined], classes) },
  };
  const compute = (params: Tensor, inputs: NamedTensors) => makeModelOutput(network)({ params, ...inputs })["output"]!;
  throwProblems("network", await checkMoved(network, { inputs, signature, compute }, devices));
}

/** Number of images that a network or an autoencoder is tried on. */
const IMAGES = 3;

/**
 * Checks gradients where the parameters have moved off their initial values, and whether outputs for the first image
 * stay the same when the others, `x` or `z`, change.
 */
async function checkMoved(
  network: Pick<Network, "parameters" | "count">,
  of: Pick<Computation, "inputs" | "signature" | "compute">,
  devices?: readonly DeviceName[],
): Promise<CodeProblem[]> {
  const start = initialWeights(network, 0);
  const change = (value: number, i: number, { length }: HostArray) => i < length / IMAGES ? value : 1 - 2 * value;
  const moved = Object.entries(of.inputs).map(([name, numbers]) =>
    [name, /^[xz]$/.test(name) ? numbers.map(change) : numbers] as const
  );
  return await checkGradients({
    ...of,
    parameters: network.parameters,
    start: mix([1, start], [0.1, random.normal(1, start.length)]),
    elsewhere: Object.fromEntries(moved),
  }, devices);
}

/**
 * Check an objective. A mixture: image and noise are recovered from a perfect prediction, and weights are at least 0,
 * all along the path. A free loss, with a network of four parameters: the loss is finite and pure; its gradients equal
 * central differences, to 2% of their length, with stopped gradients held constant; all devices agree to 1%.
 *
 * @throws Error that lists everything that fails, on the first path on which something does
 */
export async function checkObjective<P extends DefinitionParams>(
  definition: ObjectiveDefinition<P>,
  { params, path: given, devices }: CheckOptions<P> & PathOptions = {},
): Promise<void> {
  const objective = makeObjective(definition, parseParams(definition, params));
  for (const path of pathsFor(definition.needs, given)) {
    const times = path.times(25).filter((t) => t > DATA_TIME);
    const problems = "loss" in definition
      ? await checkLoss(objective, path, devices)
      : times.flatMap((t) => checkObjectiveAt(objective, timePoint(path, t))).slice(0, 4);
    throwProblems("objective", problems, path);
  }
}

/**
 * Check a noise path: it starts at the image, its signal-to-noise ratio falls at each timestep in numbers that float32
 * holds, it is the same at each call, and it samples training times on the path. A path that ends before it is all
 * noise may be intended, and passes; the `schedule` stage warns of it.
 *
 * @param options.timesteps T, as in the schedule stage; default 1,250
 * @throws Error that lists everything that fails, or the error that the path itself throws
 */
export async function checkPath<P extends DefinitionParams>(
  definition: PathDefinition<P>,
  { params, timesteps = 1250 }: CheckOptions<P> & { readonly timesteps?: number } = {},
): Promise<void> {
  throwProblems(
    "path",
    pathProblems(definedPath(definition, parseParams(definition, params), timesteps)).filter(isError),
  );
}

/**
 * Check an augmentation, on 16 images: it gives an image of the same size and a condition of the length that it says,
 * both of finite numbers, and the same for the same random numbers.
 *
 * @param options.images size of the images; default: 8x8 pixels, one channel
 * @throws Error that lists everything that fails
 */
export function checkAugmentation<P extends DefinitionParams>(
  definition: AugmentationDefinition<P>,
  { params, images }: Pick<CheckOptions<P>, "params"> & {
    readonly images?: ImageSizes;
  } = {},
): void {
  const chosen = { definition: definition as AugmentationDefinition, params: parseParams(definition, params) };
  throwProblems("augmentation", checkAugmentationCode(chosen, images ?? { height: 8, width: 8, channels: 1 }));
}

/**
 * Check an autoencoder: encode, quantize and decode have the right shapes and are pure functions that do not mix
 * images; the loss depends on every parameter; gradients of encode and decode equal central differences, to 2% of their
 * length; no tensor outlives a call; all devices agree to 1%. Parameters are moved off their initial values; without
 * any, nothing is computed.
 *
 * @param options.images size of the images; default: 8x8 pixels, one channel
 * @throws Error that lists everything that fails. Errors of `build` are passed on.
 */
export async function checkAutoencoder<P extends DefinitionParams>(
  definition: AutoencoderDefinition<P>,
  { params, images = { height: 8, width: 8, channels: 1 }, devices }: CheckOptions<P> & {
    readonly images?: ImageSizes;
  } = {},
): Promise<void> {
  const autoencoder = makeAutoencoder(images, definition.build(images, parseParams(definition, params)));
  throwProblems("autoencoder", await checkAutoencoderCode(autoencoder, autoencoderLossParams.parse({})));
  if (autoencoder.count === 0) return;
  const specOf = ({ height, width, channels }: ImageSizes) =>
    ({ shape: [IMAGES, height, width, channels], dtype: "float32" }) as const;
  const signature = { x: specOf(images), z: specOf(autoencoder.latent) };
  const inputs = { x: random.normal(2, sizeOf(signature.x)), z: random.normal(3, sizeOf(signature.z)) };
  const dropout = (h: Tensor) => h;
  const compute = (params: Tensor, { x, z }: NamedTensors) => {
    const weights = unpackTensors(params, autoencoder);
    const { mean, logVariance = mean } = autoencoder.encode({ weights, x: x!, dropout });
    const outputs = [mean, logVariance, autoencoder.decode({ weights, z: z!, dropout })];
    return tf.concat(outputs.map((one) => tf.reshape(one, [IMAGES, -1])), 1);
  };
  throwProblems("autoencoder", await checkMoved(autoencoder, { inputs, signature, compute }, devices));
}

/** Number and size of the test images, whose values are N(MEAN, DEVIATION^2). */
const [COUNT, SIZE, MEAN, DEVIATION] = [256, 64, 0.3, 0.5];
/** Allowed error by chance: five standard errors of a mean, which are more than five of a standard deviation. */
const CHANCE = 5 * DEVIATION / Math.sqrt(COUNT * SIZE);

/**
 * Check a sampler on images of N(0.3, 0.5^2), for which E[x_0 | x_t] is known in closed form: its times fall along the
 * path and end at the image, it evaluates the network no more often than it says, an image does not depend on the
 * others of the batch, and mean and deviation are right, within a tolerance that shrinks with the number of
 * evaluations.
 *
 * @param options.tolerance allowed error of mean and deviation, besides chance; default: 2 divided by the number of
 * evaluations
 * @throws Error that lists everything that fails, on the first path on which something does. Errors of the sampler are
 * passed on.
 */
export async function checkSampler<P extends DefinitionParams>(
  definition: SamplerDefinition<P>,
  { params: given, path: own, tolerance }: CheckOptions<P> & PathOptions & { readonly tolerance?: number } = {},
): Promise<void> {
  const params = parseParams(definition, given);
  for (const path of pathsFor(definition.needs, own)) {
    const check = (problems: readonly CodeProblem[]) => throwProblems("sampler", problems, path);
    check(definition.check?.(params, { timesteps: path.timesteps, learnedVariance: false }).filter(isError) ?? []);
    const times = definition.times(params, path);
    const wrong = checkTimes(times, path);
    if (wrong !== undefined) check([{ message: "times", ...wrong }]);
    const most = definition.evaluations?.(params, path.timesteps) ?? times.length - 1;
    let asked = 0;
    const checkFinite = (x: Float32Array, at: string) => {
      const index = x.findIndex((value) => !Number.isFinite(value));
      if (index < 0) return;
      const got = `${x[index]} at index ${index} (image ${Math.floor(index / SIZE)})`;
      check([{ message: at, got, wanted: "finite numbers", fix: "look for a division by 0 in the step before" }]);
    };
    const walk = (x: Float32Array<ArrayBuffer>) => {
      asked = 0;
      const predict = async (x: Float32Array<ArrayBuffer>, t: number) => {
        if (++asked > most) check([{ message: "evaluations", got: `${asked} and more`, wanted: `at most ${most}` }]);
        checkFinite(x, `x at evaluation ${asked} of ${most}, t=${t}`);
        return predictGaussian(x, timePoint(path, t));
      };
      return definition.sample({ x, times, path, params, predict, noise: (k) => random.normal(k + 1, x.length) });
    };
    const start = mix([startDeviation(path, times[0]!), random.normal(0, COUNT * SIZE)]);
    const result = await walk(start.slice());
    const length = result instanceof Float32Array ? result.length : typeof result;
    const wanted = `a Float32Array of ${start.length}`;
    if (length !== start.length) check([{ message: "what sample gives back", got: `${length}`, wanted }]);
    checkFinite(result, `x after the last of ${asked} evaluations, t=${times.at(-1)}`);
    const again = await walk(start.slice());
    const { mean, deviation } = meanAndDeviation([...result]);
    const bound = (tolerance ?? 2 / asked) + CHANCE;
    const moments = [["mean", mean, MEAN], ["deviation", deviation, DEVIATION]] as const;
    const problems: CodeProblem[] = moments.filter(([, got, wanted]) => !(Math.abs(got - wanted) <= bound)).map(
      ([name, got, wanted]) => ({
        message: `${name} after ${asked} evaluations`,
        got: shown(got),
        wanted: `${wanted}, give or take ${shown(bound)}`,
      }),
    );
    const alone = await walk(start.slice(0, SIZE));
    if (!again.every((value, i) => Object.is(value, result[i]))) {
      const fix = "take all randomness from noise(k), and keep nothing between two walks";
      problems.push({ message: "the same walk taken again", got: "other numbers", wanted: "the same", fix });
    } else if (!alone.every((value, i) => Object.is(value, result[i]))) {
      problems.push({ message: "an image drawn alone", got: "other numbers than in a batch", wanted: "the same" });
    }
    check(problems);
  }
}

/**
 * The prediction of a network that knows the data: E[x_0 | x_t] = m + s^2 a (x_t - a m) / (a^2 s^2 + n^2) for x_0 of
 * N(m, s^2).
 */
function predictGaussian(x: Float32Array<ArrayBuffer>, { signal, noise }: TimePoint) {
  const gain = DEVIATION ** 2 * signal / (signal ** 2 * DEVIATION ** 2 + noise ** 2);
  const x0 = x.map((value) => MEAN + gain * (value - signal * MEAN));
  return { x0, eps: mix([1 / noise, x], [-signal / noise, x0]), variance: undefined, output: x0.slice() };
}

/** The smallest network whose output depends on the image, linearly and not, and on the time. */
const SMALL = makeNetwork({ height: 4, width: 4, channels: 1, outChannels: 1 }, {
  parameters: ["linear", "bent", "time", "bias"].map((name) => ({ name, shape: [1], init: "zeros" })),
  forward({ weights, x, t }) {
    const wave = tf.reshape(tf.sin(tf.cast(t, "float32")), [-1, 1, 1, 1]);
    const images = tf.add(tf.mul(weights["linear"]!, x), tf.mul(weights["bent"]!, tf.tanh(x)));
    return tf.add(images, tf.add(tf.mul(weights["time"]!, wave), weights["bias"]!));
  },
});

async function checkLoss(objective: Objective, path: Path, devices?: readonly DeviceName[]): Promise<CodeProblem[]> {
  const options = { objective, path, batchSize: 8, seed: 0 };
  const wrong = await checkLossCode(SMALL, options);
  if (wrong.length > 0) return wrong;
  const free = freeLoss(objective)!;
  const lossWith = (stopGradient: (x: Tensor) => Tensor, weights: Tensor, inputs: NamedTensors) => {
    const definition = {
      ...free,
      loss: (given, params) => free.loss({ ...given, stopGradient }, params),
    } as FreeObjective;
    const loss = diffusionLoss(SMALL, { path, objective: { ...objective, definition } });
    return loss.of(inputs)(unpackTensors(weights, SMALL));
  };
  const { params: _, ...signature } = gradientStepSignature(diffusionLoss(SMALL, options), 8);
  const pixels = new Uint8Array(random.integers(0, 8 * 16, 256));
  const info = { count: 8, height: 4, width: 4, channels: 1, classes: null, source: {} };
  const batch = makeBatches(imagesInMemory({ info, values: pixels }), options).at(1);
  return await checkGradients({
    parameters: SMALL.parameters,
    start: new Float32Array([0.3, -0.4, 0.2, 0.1]),
    inputs: { ...batch, ema: new Float32Array([0.1, -0.2, 0.3, 0]) },
    signature,
    compute(params, inputs, start) {
      const stopped: Tensor[] = [];
      let next = 0;
      lossWith((x) => (stopped.push(x), x), start, inputs);
      return lossWith(() => stopped[next++]!, params, inputs);
    },
  }, devices);
}

const random = randomStream({ seed: 0, stream: "test" });

/**
 * Returns a chain of betas, and the straight line of rectified flow unless a chain is needed; or the path that a test
 * gives.
 */
function pathsFor(needs: "chain" | undefined, given: PathDefinition | undefined): Path[] {
  const timesteps = 1000;
  if (given !== undefined) return [definedPath(given, parseParams(given), timesteps)];
  const chain = chainPath(makeTables(Float64Array.from({ length: timesteps }, (_, t) => 1e-4 + 2e-5 * t)));
  const straight = { params: { shape: {} }, signal: (u: number) => 1 - u, noise: (u: number) => u };
  return [chain, ...needs === "chain" ? [] : [definedPath(straight as unknown as PathDefinition, {}, timesteps)]];
}

/** Parses params like those of a pipeline. @throws ZodError if they do not fit */
function parseParams<P extends DefinitionParams>({ params }: { readonly params: P }, given: object = {}) {
  return (params as unknown as { parse(given: object): ParamsOf<P> }).parse(given);
}

/** @throws Error that lists all problems, if there are any */
function throwProblems(sort: string, problems: readonly CodeProblem[], path?: Path): void {
  if (problems.length === 0) return;
  const on = path === undefined ? "" : path.tables === undefined ? " on a continuous path" : " on a chain";
  const lines = problems.map((one) => `- ${describeProblem(one)}${one.fix === undefined ? "" : ` (fix: ${one.fix})`}`);
  throw new Error(`The ${sort} fails ${countOf(problems.length, "check")}${on}:\n${lines.join("\n")}`);
}
