import * as tf from "@tensorflow/tfjs-core";
import type { CheckProblem } from "../../contract/stage.ts";
import type { NetworkDefinition, NetworkSizes, Recovery, TimePoint } from "../../diffusion/define.ts";
import {
  type GradientOptions,
  gradientStepSignature,
  lossOfBatch,
  makeGradientStep,
} from "../../diffusion/gradient_step.ts";
import { stepFigures } from "../../diffusion/loss_tables.ts";
import { modelOutputSignature } from "../../diffusion/model_output.ts";
import { makeNetwork, type Network, predict } from "../../diffusion/network.ts";
import type { Objective } from "../../diffusion/objective.ts";
import { timePoint } from "../../diffusion/path.ts";
import { suggestName } from "../../std/did_you_mean.ts";
import "../../tensor/complete_tfjs.ts";
import type { NamedTensors, Signature, Tensor } from "../../tensor/device.ts";
import { CompileError, userOf } from "../../tensor/trace/failure.ts";
import { liveValues, type Value } from "../../tensor/trace/graph.ts";
import { placeOf, trace } from "../../tensor/trace/trace.ts";

/** What is wrong with the code of a definition; without its file, which whoever asks knows. */
export type CodeProblem = Pick<CheckProblem, "message" | "got" | "wanted" | "fix">;

/** Images of a batch in a check: more than one, so that they can be mixed up. */
const BATCH = 2;

const PARAMETER = "parameter ";

/** The network of a definition, or what keeps it from being built. */
export function buildNetwork(definition: NetworkDefinition, sizes: NetworkSizes, params: object) {
  let isBuilt = false;
  try {
    const code = definition.build(sizes, params);
    isBuilt = true;
    return { network: makeNetwork(sizes, code) };
  } catch (error) {
    // No line of the user's own gives what is wrong with the parameters.
    return { problem: isBuilt && error instanceof RangeError ? { message: error.message } : thrown(error) };
  }
}

/**
 * Everything wrong with the code of a network, before it computes anything: the shape of its output, whether two traces of
 * it are equal, whether it takes batches of another size, and parameters that the output does not depend on.
 */
export async function checkNetworkCode(network: Network): Promise<CodeProblem[]> {
  const { height, width, outChannels } = network.sizes;
  return await checkTraces("the output", {
    network,
    signature: (batch) => modelOutputSignature(network, batch, "float32"),
    shape: [height, width, outChannels],
    compute: ({ x, t, classes }, weights) => predict(network, { weights, x: x!, t: t!, labels: classes }),
    apart: true,
    fixes: { shape: "end forward with a layer or a reshape that gives it", lost: "use it in forward" },
  });
}

/**
 * Everything wrong with the loss of a training, before it computes anything: figures that are no finite numbers, the shape
 * of the loss, whether two traces of it are equal, and parameters that it does not depend on.
 */
export async function checkLossCode(network: Network, options: GradientOptions): Promise<CodeProblem[]> {
  try {
    const { path } = options;
    for (const [name, figure] of Object.entries(stepFigures(options))) {
      for (let t = 0; t < path.timesteps; t++) {
        const got = figure(timePoint(path, t));
        if (Number.isFinite(got)) continue;
        return [{ message: `${name} of the objective`, got: `${got} at t=${t}`, wanted: "a finite number at each t" }];
      }
    }
    const problems = await checkTraces("the loss", {
      network,
      signature: (batch) => gradientStepSignature(network, batch, options),
      shape: [],
      compute: (inputs, weights) => lossOfBatch(inputs, network, options)(weights),
      fixes: { shape: "take the mean of each image, over all axes but the first", lost: "let the loss call predict" },
    });
    // Operations without a gradient show only now.
    if (problems.length === 0) {
      trace(makeGradientStep(network, options), gradientStepSignature(network, BATCH, options), "the gradient");
    }
    return problems;
  } catch (error) {
    return [thrown(error)];
  }
}

/** Image and noise as numbers, to be mixed and got back. */
const [IMAGE, NOISE] = [0.7, -0.4];

/** What is wrong with an objective at one place: image and noise do not come back from what is right, or its weight. */
export function checkObjectiveAt({ definition, params, recover }: Objective, at: TimePoint): CodeProblem[] {
  if ("loss" in definition) {
    // The noise says nothing of an image of which nothing is left.
    const { xt, output } = at.signal === 0 ? { xt: 0, output: 0 } : definition.recover?.(at, params) ?? ABSENT;
    const fits = recover === undefined || Number.isFinite(xt + output);
    const message = `what recover gives at t=${at.t}`;
    return fits ? [] : [{ message, got: `xt ${xt} and output ${output}`, wanted: "finite numbers { xt, output }" }];
  }
  const { x0, noise } = definition.target(at, params);
  const [xt, output] = [at.signal * IMAGE + at.noise * NOISE, x0 * IMAGE + noise * NOISE];
  const back = (name: string, by: Recovery = ABSENT, wanted: number): CodeProblem[] => {
    const got = by.xt * xt + by.output * output;
    // Float32, in which networks compute, has no more digits.
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

/** A number in a message. */
export function shown(value: number): string {
  return String(Number(value.toPrecision(4)));
}

interface Computed {
  readonly network: Network;
  /** Of the inputs besides the weights; what is of the flat weights is not used. */
  readonly signature: (batch: number) => Signature;
  /** Of what is computed of one image. */
  readonly shape: readonly number[];
  readonly compute: (inputs: NamedTensors, weights: Readonly<NamedTensors>) => Tensor;
  /** True if each image of a batch must be computed independently of the others. */
  readonly apart?: boolean;
  /** Of another shape, and of parameters that it does not depend on. */
  readonly fixes: Readonly<Record<"shape" | "lost", string>>;
}

async function checkTraces(what: string, { network, signature, shape, compute, apart, fixes }: Computed) {
  await tf.ready();
  const weights = network.parameters.map(({ name, shape }) => [name, { shape, dtype: "float32" as const }] as const);
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
    // A size that is written into the code shows only where it is another.
    for (const [batch, { shape: got, type }] of [[BATCH, first], [BATCH + 1, traced(BATCH + 1)]] as const) {
      if (`${got}` === `${[batch, ...shape]}` && type === "float32") continue;
      // What else there is may follow from this.
      return [{
        message: `the shape of ${what}, for a batch of ${batch}`,
        got: `${type} [${got.join(", ")}]`,
        wanted: `float32 [${[batch, ...shape].join(", ")}]`,
        fix: fixes.shape,
      }];
    }
    const reached = new Set(liveValues([first]).map((value) => value.kind === "input" ? value.name : ""));
    const mixing = apart === true ? findMixing(traced) : undefined;
    const lost = weights.filter(([name]) => !reached.has(PARAMETER + name)).map(([name]) => name);
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
        fix: `${fixes.lost}, or leave it out of parameters`,
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
 * Batch sizes that can be recognised as factors of axes. Two, because a network may have an axis with one of them as a
 * factor; and small, because a network may make constants of the batch's shape, which tracing holds in memory.
 */
const PRIMES = [101, 103] as const;

/** The first value in which images of a batch are mixed, whichever prime the batch's size is. */
function findMixing(traced: (batch: number) => Value): Value | undefined {
  const [first, second] = PRIMES.map((batch) => firstMixed(traced(batch), batch));
  return second && first;
}

/**
 * The first value computed from images that does not have equally many numbers for each image of the batch, or that an
 * operation along the batch axis made. Images that only change places are not seen here; `checkNetwork` sees them.
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

/** Operations along an axis that leave its length as it is. */
const SCANS = ["Softmax", "LogSoftmax", "CumSum"];

function numbersOf(value: Value | undefined): number[] {
  return value?.kind === "constant" ? [...value.data].map(Number) : [];
}

/** Equal for equal graphs. */
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

/** What the user's code threw. A trace tells its place. */
function thrown(error: unknown): CodeProblem {
  if (error instanceof CompileError) return { message: error.message };
  const wrong = error instanceof Error ? error : new Error(String(error));
  const place = userOf(wrong);
  return { message: place === undefined ? wrong.message : `${wrong.message} (at ${place})` };
}
