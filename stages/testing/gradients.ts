import * as tf from "@tensorflow/tfjs-core";
import type { ParameterSpec } from "../../diffusion/define.ts";
import { sizeOf } from "../../diffusion/network.ts";
import type { Device, HostTensors, NamedTensors, Signature, Tensor } from "../../tensor/device.ts";
import { randomStream } from "../../tensor/random/stream.ts";
import type { CodeProblem } from "../shared/definition_checks.ts";
import { type CheckedDevices, devicesHere, openPlain } from "./devices.ts";
import { shown } from "./problems.ts";

/** Numbers that parameters decide, at one place. */
export interface Computation {
  readonly parameters: readonly ParameterSpec[];
  /** All parameters at that place, one after another. */
  readonly start: Float32Array<ArrayBuffer>;
  /** What else it reads. */
  readonly inputs: HostTensors;
  readonly signature: Signature;
  /** The numbers, of any shape. */
  readonly compute: (params: Tensor, inputs: NamedTensors) => Tensor;
  /** Where gradients are stopped: the same numbers at `start`, which the differences follow. Default: `compute`. */
  readonly follow?: (params: Tensor, start: Tensor, inputs: NamedTensors) => Tensor;
}

interface Values {
  /** What was computed. */
  readonly y: Float32Array<ArrayBuffer>;
  /** Derivatives of the sum of y, each counted by its factor. */
  readonly grads: Float32Array<ArrayBuffer>;
}

/** Largest error of a derivative, as a part of the length of the gradient by that parameter. */
const DERIVATIVE = 0.02;
/** Rounding of the numbers, as a part of them: about ten times float32's own. */
const ROUNDING = 1e-6;
/** Steps of the differences. Kinks and curves disturb long ones, rounding short ones, and a wrong gradient all. */
const STEPS = [1e-2, 2.5e-3, 6e-4];
/** How far apart devices may be, as a part of the largest number. */
const AGREEMENT = 0.01;

const random = randomStream({ seed: 0, stream: "test/gradients" });

/**
 * Compare gradients with central differences, in a random direction for each parameter, on the best device of this
 * machine; compare numbers and gradients on all of its devices; and look for tensors that outlive a call.
 */
export async function checkGradients(of: Computation, devices: CheckedDevices): Promise<CodeProblem[]> {
  let best: Values | undefined;
  const problems: CodeProblem[] = [];
  const here = await devicesHere(devices);
  if (here.length === 0) throw new Error(`None of the devices is here: ${devices.devices?.join(", ") ?? "none is"}`);
  for (const open of here) {
    const device = await open();
    try {
      const values = await evaluate(device, of);
      const { y, grads } = values;
      if (![...y, ...grads].every(Number.isFinite)) throw new Error("numbers that are not finite");
      if (best === undefined) problems.push(...await compareWithDifferences(device, of, values));
      best ??= values;
      problems.push(...apart(device, best, values));
    } catch (error) {
      const got = error instanceof Error ? error.message : String(error);
      problems.push({ message: `device ${device.name}`, got, wanted: "finite numbers and their gradient" });
      // The others would say the same.
      if (best === undefined) break;
    } finally {
      await device.dispose();
    }
  }
  return best === undefined ? problems : [...problems, ...await checkLeft(of)];
}

type Compiled = NonNullable<Computation["follow"]>;

/** Compile for all parameters twice: where the gradient is, and where it is stopped. */
async function compile(
  device: Device,
  { start, inputs, signature }: Computation,
  outputs: (...args: Parameters<Compiled>) => NamedTensors,
) {
  const params = { shape: [start.length], dtype: "float32" } as const;
  const compiled = await device.compile(
    ({ params, start, ...rest }) => outputs(params!, start!, rest),
    { params, start: params, ...signature },
    { label: "check" },
  );
  return (params: Float32Array<ArrayBuffer>) => compiled.run({ params, start, ...inputs });
}

async function evaluate(device: Device, of: Computation): Promise<Values> {
  const run = await compile(device, of, (params, _, inputs) => {
    const y = of.compute(params, inputs);
    return { y, grads: tf.grad((params) => of.compute(params, inputs))(params, tf.tensor(factorsOf(y.size), y.shape)) };
  });
  return await run(of.start) as unknown as Values;
}

/** TF.js's own backend runs op by op, so that what is left over shows. */
async function checkLeft(of: Computation): Promise<CodeProblem[]> {
  const run = await compile(await openPlain(), of, (params, _, inputs) => ({ y: of.compute(params, inputs) }));
  const before = tf.memory().numTensors;
  await run(of.start);
  const left = tf.memory().numTensors - before;
  return left === 0 ? [] : [{
    message: "tensors left after a call",
    got: `${left}`,
    wanted: "0",
    fix: "use neither tf.keep nor tf.variable, and keep no tensors between calls",
  }];
}

/** How much each number counts in the sum whose derivatives are compared. */
const factorsOf = (size: number) => random.normal(0, size);

async function compareWithDifferences(device: Device, of: Computation, { y, grads }: Values): Promise<CodeProblem[]> {
  const { start, parameters, compute, follow = (params, _, inputs) => compute(params, inputs) } = of;
  const run = await compile(device, of, (...args) => ({ y: follow(...args) }));
  const factors = factorsOf(y.length);
  const rounding = ROUNDING * Math.hypot(...Array.from(y, (value, i) => value * factors[i]!));
  const problems: CodeProblem[] = [];
  let offset = 0;
  for (const [index, spec] of parameters.entries()) {
    const [from, size] = [offset, sizeOf(spec)];
    offset += size;
    const signs = random.integers(index, size, 2).map((bit) => 2 * bit - 1);
    const derivative = signs.reduce((sum, sign, i) => sum + sign * grads[from + i]!, 0);
    const length = Math.hypot(...grads.subarray(from, offset));
    const moved = async (step: number) => {
      const params = start.slice();
      signs.forEach((sign, i) => params[from + i]! += step * sign);
      const { y } = await run(params);
      return factors.reduce((sum, factor, i) => sum + factor * y![i]!, 0);
    };
    const seen: number[] = [];
    let fits = false;
    for (const step of STEPS) {
      const difference = (await moved(step) - await moved(-step)) / (2 * step);
      seen.push(difference);
      fits ||= Math.abs(difference - derivative) <= DERIVATIVE * length + rounding / step;
      if (fits) break;
    }
    if (fits) continue;
    problems.push({
      message: `derivative by parameter ${spec.name}`,
      got: shown(derivative),
      wanted: `about ${seen.map(shown).join(", ")}, the differences for steps of ${STEPS.join(", ")}`,
    });
  }
  return problems;
}

function apart({ name }: Device, best: Values, values: Values): CodeProblem[] {
  return (["y", "grads"] as const).flatMap((key) => {
    const largest = best[key].reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    const i = values[key].findIndex((value, i) => !(Math.abs(value - best[key][i]!) <= AGREEMENT * largest));
    if (i < 0) return [];
    const message = `${key === "y" ? "output" : "gradient"} on device ${name}, number ${i}`;
    return [{ message, got: shown(values[key][i]!), wanted: `${shown(best[key][i]!)}, as on the best device` }];
  });
}
