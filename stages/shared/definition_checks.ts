import * as tf from "@tensorflow/tfjs-core";
import type { CheckProblem } from "../../engine/contract/stage.ts";
import type { ChosenAugmentation } from "../../science/diffusion/augmentations.ts";
import type {
  ImageSizes,
  NetworkDefinition,
  NetworkSizes,
  ParameterSpec,
  Recovery,
  TimePoint,
} from "../../science/diffusion/define.ts";
import { diffusionLoss, type DiffusionOptions } from "../../science/diffusion/diffusion_loss.ts";
import { gradientStepSignature, makeGradientStep } from "../../science/diffusion/gradient_step.ts";
import { stepFigures } from "../../science/diffusion/loss_tables.ts";
import { makeNetwork, modelOutputSignature, type Network, predict } from "../../science/diffusion/network.ts";
import type { Objective } from "../../science/diffusion/objective.ts";
import { timePoint } from "../../science/diffusion/path.ts";
import { suggestName } from "../../std/did_you_mean.ts";
import "../../science/tensor/complete_tfjs.ts";
import type { NamedTensors, Signature, Tensor } from "../../science/tensor/device.ts";
import { AugmentationError, makeAugmenter } from "./augmenter.ts";
import { isError } from "./checks.ts";
import { CompileError, userOf } from "../../science/tensor/trace/failure.ts";
import { liveValues, type Value } from "../../science/tensor/trace/graph.ts";
import { placeOf, trace } from "../../science/tensor/trace/trace.ts";

/** A problem with the code of a definition. The caller knows the file and adds it. */
export type CodeProblem = Pick<CheckProblem, "message" | "got" | "wanted" | "fix">;

/** Number of images in a batch of a check: more than one, so that code can mix them up. */
export const BATCH = 2;

const PARAMETER = "parameter ";

/** Builds the network of a definition, or returns the problem that prevents it. */
export function buildNetwork(definition: NetworkDefinition, sizes: NetworkSizes, params: object) {
  const built = tryBuild(() => definition.build(sizes, params), (code) => makeNetwork(sizes, code));
  return "problem" in built ? { problem: built.problem } : { network: built.value };
}

/** Builds a definition's code and checks it, or returns the problem that prevents it. */
export function tryBuild<C, T>(build: () => C, make: (code: C) => T): { value: T } | { problem: CodeProblem } {
  let isBuilt = false;
  try {
    const code = build();
    isBuilt = true;
    return { value: make(code) };
  } catch (error) {
    // An error about the parameters comes from `make`, so its stack has no line of user code to point at.
    return { problem: isBuilt && error instanceof RangeError ? { message: error.message } : thrown(error) };
  }
}

/**
 * Reports everything wrong with the code of a network, before it computes anything: the shape of its output, two traces
 * that differ, batch sizes that it does not accept, and parameters that the output does not depend on.
 */
export async function checkNetworkCode(network: Network): Promise<CodeProblem[]> {
  const { height, width, outChannels } = network.sizes;
  return await checkTraces("the output", {
    parameters: network.parameters,
    signature: (batch) => modelOutputSignature(network, batch, "float32"),
    shape: [height, width, outChannels],
    compute: ({ x, t, classes }, weights) => predict(network, { weights, x: x!, t: t!, labels: classes }),
    apart: true,
    fixes: { shape: "end forward with a layer or a reshape that gives it", lost: "use each parameter in forward" },
  });
}

/**
 * Reports everything wrong with the loss of a training, before it computes anything: figures that are not finite, the
 * shape of the loss, two traces that differ, and parameters that the loss does not depend on.
 */
export async function checkLossCode(network: Network, options: DiffusionOptions): Promise<CodeProblem[]> {
  try {
    const { path } = options;
    for (const [name, figure] of Object.entries(stepFigures(options))) {
      for (let t = 0; t < path.timesteps; t++) {
        const got = figure(timePoint(path, t));
        if (Number.isFinite(got)) continue;
        return [{ message: `${name} of the objective`, got: `${got} at t=${t}`, wanted: "a finite number at each t" }];
      }
    }
    const loss = diffusionLoss(network, options);
    const problems = await checkTraces("the loss", {
      parameters: network.parameters,
      signature: (batch) => gradientStepSignature(loss, batch),
      shape: [],
      compute: (inputs, weights) => loss.of(inputs)(weights),
      fixes: { shape: "take the mean of each image, over all axes but the first", lost: "let the loss call predict" },
    });
    // Operations without a gradient are found only now.
    if (problems.length === 0) {
      trace(makeGradientStep(loss), gradientStepSignature(loss, BATCH), "the gradient");
    }
    return problems;
  } catch (error) {
    return [thrown(error)];
  }
}

/** Sample values of image and noise, to be mixed and recovered. */
const [IMAGE, NOISE] = [0.7, -0.4];

/**
 * Reports problems of an objective at one time: if a perfect prediction does not recover image and noise, or the weight
 * is invalid.
 */
export function checkObjectiveAt({ definition, params, recover }: Objective, at: TimePoint): CodeProblem[] {
  if ("loss" in definition) {
    // If no signal is left, the output says nothing of the image, and `recover` need not give finite numbers.
    const { xt, output } = at.signal === 0 ? { xt: 0, output: 0 } : definition.recover?.(at, params) ?? ABSENT;
    const fits = recover === undefined || Number.isFinite(xt + output);
    const message = `what recover gives at t=${at.t}`;
    return fits ? [] : [{ message, got: `xt ${xt} and output ${output}`, wanted: "finite numbers { xt, output }" }];
  }
  const { x0, noise } = definition.target(at, params);
  const [xt, output] = [at.signal * IMAGE + at.noise * NOISE, x0 * IMAGE + noise * NOISE];
  const back = (name: string, by: Recovery = ABSENT, wanted: number): CodeProblem[] => {
    const got = by.xt * xt + by.output * output;
    // Networks compute in float32, which has no more digits than this.
    const rounding = 1e-7 * (1 + Math.abs(by.xt * xt) + Math.abs(by.output * output));
    const fits = Number.isFinite(got) ? Math.abs(got - wanted) <= rounding : at.signal === 0;
    const message = `${name} from a perfect prediction at t=${at.t}`;
    const fix = definition.recover === undefined
      ? "let the target be no multiple of x_t, nor 0, so that it tells x_0 and eps apart"
      : "let recover give { x0: { xt, output }, eps: { xt, output } }, each the factors of x_t and the output";
    return fits ? [] : [{ message, got: shown(got), wanted: `${wanted}`, fix }];
  };
  const counted = definition.weight?.(at, params) ?? 1;
  const recovered = recover!(at);
  return [
    ...counted >= 0 && counted < Infinity
      ? []
      : [{ message: `the weight at t=${at.t}`, got: `${counted}`, wanted: "at least 0, and finite" }],
    ...back("x_0", recovered.x0, IMAGE),
    ...back("eps", recovered.eps, NOISE),
  ];
}

const ABSENT: Recovery = { xt: NaN, output: NaN };

/** Formats a number for a message. */
export function shown(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/** Number of images that an augmentation is tried on, each with other random numbers. */
const TRIED = 16;

/** Reports an augmentation that does not fit the images, breaks its contract, or is no pure function. */
export function checkAugmentationCode(
  chosen: ChosenAugmentation,
  { height, width, channels }: ImageSizes,
): CodeProblem[] {
  try {
    const sizes = { height, width, channels };
    const unfit = chosen.definition.check?.(chosen.params as never, sizes).filter(isError) ?? [];
    if (unfit.length > 0) return unfit;
    const augmenter = makeAugmenter(chosen, sizes, 0);
    const length = height * width * channels;
    const applied = (index: number) => {
      const image = Float32Array.from({ length }, (_, i) => 2 * i / length - 1);
      return [...Array.from(augmenter.apply(image, 1, index)), ...image];
    };
    const isPure = new Array(TRIED).keys().every((index) => {
      const again = applied(index);
      return applied(index).every((value, i) => Object.is(value, again[i]));
    });
    const fix = "take all randomness from random, and keep nothing between two calls";
    return isPure ? [] : [{ message: "augment gives other results when it is called again for the same image", fix }];
  } catch (error) {
    return [error instanceof AugmentationError ? error.problem : thrown(error)];
  }
}

interface Computed {
  readonly parameters: readonly ParameterSpec[];
  /** The inputs besides the weights, by batch size. The flat vector of weights is left out. */
  readonly signature: (batch: number) => Signature;
  /** The shape of the result for one image. */
  readonly shape: readonly number[];
  readonly compute: (inputs: NamedTensors, weights: Readonly<NamedTensors>) => Tensor;
  /** True if each image of a batch must be computed independently of the others. */
  readonly apart?: boolean;
  /**
   * Advice for a result of the wrong shape, and for parameters that the result does not depend on; without the latter,
   * it need not depend on all.
   */
  readonly fixes: { readonly shape: string; readonly lost?: string };
}

/** Traces a computation for batches of several sizes, and reports what is wrong with it. */
export async function checkTraces(what: string, { parameters, signature, shape, compute, apart, fixes }: Computed) {
  await tf.ready();
  const weights = parameters.map(({ name, shape }) => [name, { shape, dtype: "float32" as const }] as const);
  const misnamed = new Set<string>();
  const result = (given: NamedTensors) => {
    const named = new Proxy(Object.fromEntries(weights.map(([name]) => [name, given[PARAMETER + name]!])), {
      get(known, name, all) {
        if (typeof name === "string" && !Object.hasOwn(known, name)) misnamed.add(name);
        return Reflect.get(known, name, all);
      },
    });
    const result: unknown = compute(given, named);
    if (result instanceof tf.Tensor) return { result };
    const got = result instanceof Promise ? "a promise" : result === null ? "null" : typeof result;
    throw new CompileError(`${what}: got ${got}, wanted a tensor, returned at once`);
  };
  const inputsFor = (batch: number): Signature => {
    const { params: _flat, ...inputs } = signature(batch);
    return { ...inputs, ...Object.fromEntries(weights.map(([name, spec]) => [PARAMETER + name, spec])) };
  };
  const traced = (batch: number) =>
    trace(result, inputsFor(batch), `${what} for a batch of ${batch}`).outputs.get("result")!;
  let more: Pick<CodeProblem, "fix"> = {};
  try {
    const [first, second] = [traced(BATCH), traced(BATCH)];
    more = { fix: "take the number of images from x.shape[0], or write -1 in a reshape" };
    // A batch size that is hard-coded is found only with another size.
    for (const [batch, { shape: got, type }] of [[BATCH, first], [BATCH + 1, traced(BATCH + 1)]] as const) {
      if (`${got}` === `${[batch, ...shape]}` && type === "float32") continue;
      // Further problems may only follow from this one.
      return [{
        message: `the shape of ${what}, for a batch of ${batch}`,
        got: `${type} [${got.join(", ")}]`,
        wanted: `float32 [${[batch, ...shape].join(", ")}]`,
        fix: fixes.shape,
      }];
    }
    const reached = new Set(liveValues([first]).map((value) => value.kind === "input" ? value.name : ""));
    const mixing = apart === true ? findMixing(traced) : undefined;
    const lost = weights.flatMap(([name]) => fixes.lost === undefined || reached.has(PARAMETER + name) ? [] : [name]);
    return [
      ...printOf(first) === printOf(second) ? [] : [{
        message: `two traces of ${what} differ: the code is no pure function`,
        fix: "take random numbers, the time and what is kept between calls out of it",
      }],
      ...mixing === undefined ? [] : [{
        message: `${what} for an image depends on the others of its batch, at ${
          placeOf(mixing, result, inputsFor(PRIMES[0]))
        }`,
        fix: "use no mean or other figure over the first axis: images are drawn in batches of any size",
      }],
      ...lost.length === 0 ? [] : [{
        message: `${what} does not depend on ${lost.length} of ${weights.length} parameters, such as ${lost[0]}`,
        fix: `${fixes.lost}, or leave those out of parameters that it does not need`,
      }],
    ];
  } catch (error) {
    const [name] = misnamed;
    if (name === undefined) return [{ ...thrown(error), ...more }];
    const fix = suggestName(name, weights.map(([known]) => known));
    return [{ message: `${thrown(error).message}; there is no parameter "${name}"`, fix }];
  }
}

/**
 * Batch sizes that can be recognised as factors of axis lengths. Two primes, because a network may have an axis with
 * one of them as a factor; and small ones, because a network may make constants of the batch's shape, which tracing
 * holds in memory.
 */
const PRIMES = [101, 103] as const;

/** Finds the first value in which images of a batch are mixed, if they are with both primes as the batch size. */
function findMixing(traced: (batch: number) => Value): Value | undefined {
  const [first, second] = PRIMES.map((batch) => firstMixed(traced(batch), batch));
  return second && first;
}

/**
 * Finds the first value computed from images that does not have equally many numbers for each image of the batch, or
 * that was computed by an operation along the batch axis. Images that only change places are not found here;
 * `checkNetwork` finds them.
 */
function firstMixed(output: Value, batch: number): Value | undefined {
  const isBatch = (length = 1) => length % batch === 0;
  const batches = ({ shape }: Value) => shape.filter(isBatch).length;
  const told = new Set<Value>();
  return liveValues([output]).find((value) => {
    if (value.kind === "input" && !value.name.startsWith(PARAMETER)) told.add(value);
    if (value.kind !== "operation" || !value.inputs.some((input) => told.has(input))) return false;
    told.add(value);
    const along = value.op === "CumSum" ? numbersOf(value.inputs[1]) : [value.attributes["axis"] as number];
    return batches(value) !== 1 || SCANS.includes(value.op) && along.some((axis) => isBatch(value.shape[axis]));
  });
}

/** Operations along an axis that keep its length. */
const SCANS = ["Softmax", "LogSoftmax", "CumSum"];

function numbersOf(value: Value | undefined): number[] {
  return value?.kind === "constant" ? [...value.data].map(Number) : [];
}

/** Serialises a graph; equal for equal graphs. */
function printOf(output: Value): string {
  const live = liveValues([output]);
  const places = new Map(live.map((value, i) => [value, i]));
  return JSON.stringify(live.map((value) => {
    const { kind, type, shape } = value;
    if (kind === "input") return [value.name];
    if (kind === "constant") return [type, shape, `${value.data}`];
    return [value.op, value.inputs.map((input) => places.get(input)), value.attributes];
  }));
}

/** Describes an error that the user's code threw. An error of a trace already says where. */
export function thrown(error: unknown): CodeProblem {
  if (error instanceof CompileError) return { message: error.message };
  const wrong = error instanceof Error ? error : new Error(String(error));
  const place = userOf(wrong);
  return { message: place === undefined ? wrong.message : `${wrong.message} (at ${place})` };
}
