import * as tf from "@tensorflow/tfjs-core";
import {
  DATA_TIME,
  type DefinitionParams,
  type FreeObjective,
  type MixtureObjective,
  type ObjectiveDefinition,
  type Path,
  type PathDefinition,
  type TimePoint,
} from "../../diffusion/define.ts";
import { batchSignature, lossOfBatch } from "../../diffusion/gradient_step.ts";
import { freeLoss, stepFigures } from "../../diffusion/loss_tables.ts";
import { makeNetwork, unpackTensors } from "../../diffusion/network.ts";
import { makeObjective, type Objective } from "../../diffusion/objective.ts";
import { timePoint } from "../../diffusion/path.ts";
import type { HostTensors, NamedTensors, Signature, Tensor } from "../../tensor/device.ts";
import { randomStream } from "../../tensor/random/stream.ts";
import { checkLossCode, type CodeProblem } from "../shared/definition_checks.ts";
import type { CheckedDevices } from "./devices.ts";
import { checkGradients } from "./gradients.ts";
import { parseParams, pathsFor, shown, throwProblems } from "./problems.ts";

/** How to check an objective. */
export interface ObjectiveCheckOptions<P extends DefinitionParams> extends CheckedDevices {
  /** As in a pipeline file: defaults are filled in. */
  readonly params?: P["_zod"]["input"];
  /** What to learn on. Default: a chain of betas, and unless the objective needs one, a straight line. */
  readonly path?: PathDefinition;
}

/**
 * Check an objective. Of a mixture: image and noise come back from a perfect prediction, and weights are at least 0, all
 * along the path. Of a free loss, with a network of four numbers: it is finite; its gradients are those of central
 * differences, to 2% of their length, where what is stopped at the gradient stays as it is; all devices of this machine
 * agree; and `recover` gives numbers wherever there is signal.
 *
 * @throws Error that lists all that does not hold. A throw of the loss is among it.
 */
export async function checkObjective<P extends DefinitionParams>(
  definition: ObjectiveDefinition<P>,
  options: ObjectiveCheckOptions<P> = {},
): Promise<void> {
  const objective = makeObjective(definition, parseParams(definition, options.params));
  const free = freeLoss(objective);
  const problems: CodeProblem[] = [];
  for (const [name, path] of pathsFor(definition.needs, options.path)) {
    const times = path.times(25).filter((t) => t > DATA_TIME).map((t) => timePoint(path, t));
    const found = [
      ...free === undefined ? checkMixture(objective, times) : await checkLoss(objective, free, { ...options, path }),
      ...checkRecovery(objective, times),
    ];
    problems.push(...found.map((problem) => ({ ...problem, message: `${problem.message}, on ${name}` })));
  }
  throwProblems("objective", problems);
}

const isFinite = (...values: number[]) => values.every(Number.isFinite);

function checkMixture({ definition, params }: Objective, times: readonly TimePoint[]): CodeProblem[] {
  const { target, weight = () => 1 } = definition as MixtureObjective;
  const targetless = times.map((at) => ({ at, ...target(at, params) })).find(({ x0, noise }) => !isFinite(x0, noise));
  const weights = times.map((at) => ({ at, value: weight(at, params) }));
  const weightless = weights.find(({ value }) => !(value >= 0 && Number.isFinite(value)));
  return [
    ...targetless === undefined ? [] : [{
      message: `the target at t=${targetless.at.t}`,
      got: `${targetless.x0} x_0 + ${targetless.noise} eps`,
      wanted: "finite factors",
    }],
    ...weightless === undefined ? [] : [{
      message: `the weight at t=${weightless.at.t}`,
      got: `${weightless.value}`,
      wanted: "a number of at least 0",
    }],
    ...weights.every(({ value }) => value === 0) ? [{ message: "weights", got: "0 at all times", wanted: "more" }] : [],
  ];
}

/** Rounding of float64 in a few operations, as a part of their terms. */
const EXACT = 1e-9;

/** With x_t = s x_0 + n eps and a target a x_0 + b eps, what is recovered is a sum of x_0 and eps as well. */
function checkRecovery({ definition, params, recoverX0, recoverEps }: Objective, times: readonly TimePoint[]) {
  const problems: CodeProblem[] = [];
  for (const [name, recover] of [["x_0", recoverX0], ["eps", recoverEps]] as const) {
    for (const at of recover === undefined ? [] : times) {
      const { xt, output } = recover!(at);
      if (!isFinite(xt, output)) {
        // The noise says nothing of an image of which there is nothing left.
        if (at.signal === 0) continue;
        const got = `${xt} x_t + ${output} output`;
        problems.push({ message: `recovery of ${name} at t=${at.t}`, got, wanted: "finite factors" });
        break;
      }
      if (!("target" in definition)) continue;
      const { x0: a, noise: b } = (definition as MixtureObjective).target(at, params);
      const parts = [[xt * at.signal, output * a], [xt * at.noise, output * b]] as const;
      const wanted = name === "x_0" ? [1, 0] : [0, 1];
      if (parts.every(([p, q], i) => Math.abs(p + q - wanted[i]!) <= EXACT * (1 + Math.abs(p) + Math.abs(q)))) continue;
      const [x0, eps] = parts.map(([p, q]) => shown(p + q));
      const got = `${x0} x_0 + ${eps} eps`;
      problems.push({ message: `recovery of ${name} from a perfect prediction at t=${at.t}`, got, wanted: name });
      break;
    }
  }
  return problems;
}

/** As small as a network can be that tells images, times and what is not linear apart. */
const SMALL = makeNetwork({ height: 4, width: 4, channels: 1, outChannels: 1 }, {
  parameters: ["linear", "bent", "time", "bias"].map((name) => ({ name, shape: [1], init: "zeros" })),
  forward({ weights, x, t }) {
    const wave = tf.reshape(tf.sin(tf.cast(t, "float32")), [-1, 1, 1, 1]);
    const terms = [x, tf.tanh(x), wave].map((term, i) => tf.mul(weights[SMALL.parameters[i]!.name]!, term));
    return terms.reduce((sum, term) => tf.add(sum, term), weights["bias"]!);
  },
});
const BATCH = 8;

async function checkLoss(
  objective: Objective,
  free: FreeObjective,
  { path, ...devices }: { readonly path: Path } & CheckedDevices,
): Promise<CodeProblem[]> {
  const options = { objective, path };
  const wrong = await checkLossCode(SMALL, options);
  if (wrong.length > 0) return wrong;
  const ema = { shape: [SMALL.count], dtype: "float32" } as const;
  const signature: Signature = { ...batchSignature(SMALL, BATCH, options), ema };
  const random = randomStream({ seed: 0, stream: "test/objective" });
  const [uniforms, normals] = [random.uniform(0, BATCH), random.normal(0, BATCH)];
  const times = Array.from(uniforms, (uniform, i) => path.draw({ uniform, normal: normals[i]! }));
  const figures = Object.entries(stepFigures(options)).map(([name, figure]) =>
    [name, Float32Array.from(times, (t) => figure(timePoint(path, t)))] as const
  );
  const inputs: HostTensors = {
    x0: random.normal(1, BATCH * 16),
    noise: random.normal(2, BATCH * 16),
    t: signature["t"]!.dtype === "int32" ? Int32Array.from(times) : Float32Array.from(times),
    ema: new Float32Array([0.1, -0.2, 0.3, 0]),
    ...Object.fromEntries(figures),
  };
  const lossWith = (stop: ((x: Tensor) => Tensor) | undefined) => (params: Tensor, inputs: NamedTensors) => {
    const loss: FreeObjective["loss"] = (given, params) =>
      free.loss(stop === undefined ? given : { ...given, stopGradient: stop }, params);
    const definition = { ...free, loss };
    return lossOfBatch(inputs, SMALL, { path, objective: { ...objective, definition } })(unpackTensors(params, SMALL));
  };
  return await checkGradients({
    parameters: SMALL.parameters,
    start: new Float32Array([0.3, -0.4, 0.2, 0.1]),
    inputs,
    signature,
    compute: lossWith(undefined),
    follow(params, start, inputs) {
      const stopped: Tensor[] = [];
      let next = 0;
      lossWith((x) => (stopped.push(x), x))(start, inputs);
      return lossWith(() => stopped[next++]!)(params, inputs);
    },
  }, devices);
}
