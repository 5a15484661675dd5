import * as tf from "@tensorflow/tfjs-core";
import type { CheckProblem } from "../../contract/stage.ts";
import type { NetworkDefinition, NetworkSizes } from "../../diffusion/define.ts";
import {
  type GradientOptions,
  gradientStepSignature,
  lossOfBatch,
  makeGradientStep,
} from "../../diffusion/gradient_step.ts";
import { stepFigures } from "../../diffusion/loss_tables.ts";
import { modelOutputSignature } from "../../diffusion/model_output.ts";
import { initialParameters, makeNetwork, type Network, predict } from "../../diffusion/network.ts";
import { timePoint } from "../../diffusion/path.ts";
import "../../tensor/complete_tfjs.ts";
import type { NamedTensors, Signature, Tensor } from "../../tensor/device.ts";
import { CompileError } from "../../tensor/trace/failure.ts";
import { liveValues, type Value } from "../../tensor/trace/graph.ts";
import { trace } from "../../tensor/trace/trace.ts";

/** What is wrong with the code of a definition; without its file, which whoever asks knows. */
export type CodeProblem = Pick<CheckProblem, "message" | "got" | "wanted" | "fix">;

/** Images of a batch in a check: more than one, so that they can be mixed up. */
const BATCH = 2;

const PARAMETER = "parameter ";

/** The network of a definition, or what keeps it from being built. */
export function buildNetwork(
  definition: NetworkDefinition,
  sizes: NetworkSizes,
  params: object,
): { readonly network: Network } | { readonly problem: CodeProblem } {
  try {
    return { network: makeNetwork(sizes, definition.build(sizes, params)) };
  } catch (error) {
    return { problem: thrown(error) };
  }
}

/**
 * Everything wrong with the code of a network, before it computes anything: parameters that start as no finite numbers,
 * the shape of its output, whether two traces of it are equal, and parameters that the output does not depend on.
 */
export async function checkNetworkCode(network: Network): Promise<CodeProblem[]> {
  const { params: _flat, ...signature } = modelOutputSignature(network, BATCH, "float32");
  const { height, width, outChannels } = network.sizes;
  const start = initialParameters(network, (_i, _kind, count) => new Float32Array(count).fill(1));
  const notFinite = Object.entries(start).filter(([, values]) => !values.every(Number.isFinite)).map(([name]) => ({
    message: `parameter ${name} does not start as finite numbers`,
    fix: "give its init finite numbers, and fans above 0",
  }));
  const problems = await checkTraces("the output", {
    ...{ network, signature },
    shape: [BATCH, height, width, outChannels],
    compute: ({ x, t, classes }, weights) => predict(network, { weights, x: x!, t: t!, labels: classes }),
  });
  return [...notFinite, ...problems];
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
    const all = gradientStepSignature(network, BATCH, options);
    const { params: _flat, ...signature } = all;
    const problems = await checkTraces("the loss", {
      ...{ network, signature },
      shape: [BATCH],
      compute: (inputs, weights) => lossOfBatch(inputs, network, options)(weights),
    });
    // Operations without a gradient show only now.
    if (problems.length === 0) trace(makeGradientStep(network, options), all, "the gradient");
    return problems;
  } catch (error) {
    return [thrown(error)];
  }
}

interface Computed {
  readonly network: Network;
  /** Of the inputs besides the weights. */
  readonly signature: Signature;
  /** Of what is computed. */
  readonly shape: readonly number[];
  readonly compute: (inputs: NamedTensors, weights: Readonly<NamedTensors>) => Tensor;
}

async function checkTraces(what: string, { network, signature, shape, compute }: Computed): Promise<CodeProblem[]> {
  await tf.ready();
  const weights = network.parameters.map(({ name, shape }) => [name, { shape, dtype: "float32" as const }] as const);
  const inputs = { ...signature, ...Object.fromEntries(weights.map(([name, spec]) => [PARAMETER + name, spec])) };
  const result = (given: NamedTensors) => ({
    result: compute(given, Object.fromEntries(weights.map(([name]) => [name, given[PARAMETER + name]!]))),
  });
  const traced = () => trace(result, inputs, what).outputs.get("result")!;
  try {
    const [first, second] = [traced(), traced()];
    const problems: CodeProblem[] = [];
    if (`${first.shape}` !== `${shape}` || first.type !== "float32") {
      problems.push({
        message: `the shape of ${what}, for a batch of ${BATCH}`,
        got: `${first.type} [${first.shape.join(", ")}]`,
        wanted: `float32 [${shape.join(", ")}]`,
      });
    }
    if (printOf(first) !== printOf(second)) {
      problems.push({
        message: `two traces of ${what} differ: the code is no pure function`,
        fix: "take random numbers, the time and what is kept between calls out of it",
      });
    }
    const reached = new Set(liveValues([first]).map((value) => value.kind === "input" ? value.name : ""));
    const lost = weights.filter(([name]) => !reached.has(PARAMETER + name)).map(([name]) => name);
    if (lost.length > 0) {
      problems.push({
        message: `${what} does not depend on ${lost.length} of ${weights.length} parameters, such as ${lost[0]}`,
        fix: "use it in forward, or leave it out of parameters",
      });
    }
    return problems;
  } catch (error) {
    return [thrown(error)];
  }
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
  const { message, stack = "" } = error instanceof Error ? error : new Error(String(error));
  const place = /(?:\(|at )(file:\/\/[^)\s]+:\d+:\d+)/.exec(stack)?.[1];
  return { message: place === undefined ? message : `${message} (at ${place})` };
}
