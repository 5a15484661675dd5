import * as tf from "@tensorflow/tfjs-core";
import type { ParameterSpec } from "../../science/diffusion/define.ts";
import { sizeOf } from "../../science/diffusion/network.ts";
import type { Device, HostTensors, NamedTensors, Signature, Tensor } from "../../science/tensor/device.ts";
import { CONCRETE_DEVICES, type ConcreteDeviceName, type DeviceName } from "../../science/tensor/devices.ts";
import { openEagerDevice } from "../../science/tensor/eager_device.ts";
import { mayHaveGpu } from "../../science/tensor/gpus.ts";
import { describeDevices, openDevice } from "../../science/tensor/implementations.ts";
import { randomStream } from "../../science/tensor/random/stream.ts";
import { type CodeProblem, shown } from "../../stages/shared/definition_checks.ts";

/** A function of parameters, and the point at which its gradients are checked. */
export interface Computation {
  readonly parameters: readonly ParameterSpec[];
  /** All parameters at that point, concatenated. */
  readonly start: Float32Array<ArrayBuffer>;
  /** The other inputs. */
  readonly inputs: HostTensors;
  /** Other inputs for which the first third of the numbers must be the same. */
  readonly elsewhere?: HostTensors;
  readonly signature: Signature;
  /**
   * Computes the numbers, of any shape. Values that are computed from `start` stay constant when the parameters are
   * moved.
   */
  readonly compute: (params: Tensor, inputs: NamedTensors, start: Tensor) => Tensor;
}

/** The numbers, and the derivatives of their sum with a random factor for each number. */
type Values = Record<"numbers" | "gradients", Float32Array<ArrayBuffer>>;

type Evaluate = (params: Float32Array<ArrayBuffer>) => Promise<Values>;

/** Largest error of a derivative, relative to the length of the gradient by that parameter. */
const DERIVATIVE = 0.02;
/** Relative rounding error of the numbers: about ten times that of float32. */
const ROUNDING = 1e-6;
/**
 * Steps of the differences. Kinks and curvature disturb long steps, rounding disturbs short ones, and a wrong gradient
 * disturbs all.
 */
const STEPS = [1e-2, 2.5e-3, 6e-4];
/** Largest difference between devices, relative to the largest number. */
const AGREEMENT = 0.01;
/** Largest difference of an image's outputs on one device, by rounding. */
const MIXED = 1e-5;

const random = randomStream({ seed: 0, stream: "test/gradients" });
const factorsOf = (count: number) => random.normal(0, count);

/**
 * Compares gradients with central differences, in a random direction for each parameter, on the best of the devices;
 * compares numbers and gradients between the devices; and checks for tensors that outlive a call, and images that are
 * mixed.
 *
 * @param devices default: all devices of this machine
 */
export async function checkGradients(of: Computation, devices: readonly DeviceName[] = CONCRETE_DEVICES) {
  let best: Values | undefined;
  const problems: CodeProblem[] = [];
  for (const name of await devicesHere(devices)) {
    const device = await openDevice(name);
    try {
      const values = await (await compile(device, of, true))(of.start);
      if (!Object.values(values).every((one) => one.every(Number.isFinite))) throw new Error("numbers are not finite");
      if (best === undefined) problems.push(...await compareWithDifferences(device, of, best = values));
      else if (areFar(values.numbers, best.numbers) || areFar(values.gradients, best.gradients)) {
        const wanted = "those of the best device, to 1% of the largest";
        problems.push({ message: `device ${name}`, got: "other numbers or gradients", wanted });
      }
    } catch (error) {
      problems.push({ message: `device ${name}: ${error instanceof Error ? error.message : error}` });
    } finally {
      await device.dispose();
    }
    // The other devices would fail in the same way.
    if (best === undefined) return problems;
  }
  if (best === undefined) throw new Error(`None of the devices is here: ${devices.join(", ")}`);
  return [...problems, ...await checkCalls(of)];
}

/**
 * Returns the available devices, best first. A software `webgpu` is left out: TensorFlow crashes beside its drivers.
 */
async function devicesHere(wanted: readonly DeviceName[]): Promise<ConcreteDeviceName[]> {
  const names = CONCRETE_DEVICES.filter((name) => wanted.includes(name) && (name !== "webgpu" || mayHaveGpu()));
  const found = await describeDevices(names);
  return found.filter(({ available, name, card }) => available && (name !== "webgpu" || card)).map(({ name }) => name);
}

async function compile(device: Device, of: Computation, gradients: boolean): Promise<Evaluate> {
  const specs = { shape: [of.start.length], dtype: "float32" } as const;
  const compiled = await device.compile(({ params, start, ...rest }) => {
    const compute = (params: Tensor) => of.compute(params, rest, start!);
    const numbers = compute(params!);
    if (!gradients) return { numbers };
    return { numbers, gradients: tf.grad(compute)(params!, tf.tensor(factorsOf(numbers.size), numbers.shape)) };
  }, { params: specs, start: specs, ...of.signature });
  return async (params) => await compiled.run({ ...of.inputs, params, start: of.start }) as Values;
}

async function compareWithDifferences(device: Device, of: Computation, values: Values): Promise<CodeProblem[]> {
  const evaluate = await compile(device, of, false);
  const factors = factorsOf(values.numbers.length);
  const rounding = ROUNDING * lengthOf(values.numbers.map((value, i) => value * factors[i]!));
  const problems: CodeProblem[] = [];
  let end = 0;
  for (const [index, spec] of of.parameters.entries()) {
    const from = end;
    const gradient = values.gradients.subarray(from, end += sizeOf(spec));
    const signs = random.integers(index, gradient.length, 2).map((bit) => 2 * bit - 1);
    const sumAt = async (step: number) => {
      const params = of.start.slice();
      signs.forEach((sign, i) => params[from + i]! += step * sign);
      const { numbers } = await evaluate(params);
      return factors.reduce((sum, factor, i) => sum + factor * numbers[i]!, 0);
    };
    const derivative = signs.reduce((sum, sign, i) => sum + sign * gradient[i]!, 0);
    const differences: number[] = [];
    for (const step of STEPS) {
      const difference = (await sumAt(step) - await sumAt(-step)) / (2 * step);
      if (Math.abs(difference - derivative) <= DERIVATIVE * lengthOf(gradient) + rounding / step) break;
      differences.push(difference);
    }
    if (differences.length < STEPS.length) continue;
    const wanted = `about ${differences.map(shown).join(", ")}, the differences for steps of ${STEPS.join(", ")}`;
    problems.push({ message: `the derivative by parameter ${spec.name}`, got: shown(derivative), wanted });
  }
  return problems;
}

const lengthOf = (vector: Float32Array) => Math.sqrt(vector.reduce((sum, value) => sum + value ** 2, 0));

function areFar(numbers: Float32Array, others: Float32Array, agreement = AGREEMENT): boolean {
  const largest = others.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return numbers.some((value, i) => !(Math.abs(value - others[i]!) <= agreement * largest));
}

/**
 * Checks for tensors that outlive a call, and for outputs that mix images. TF.js's own backend runs op by op, so that
 * such tensors can be counted.
 */
async function checkCalls(of: Computation): Promise<CodeProblem[]> {
  // Without this, TF.js advises installing its native addon.
  tf.env().set("PROD", true);
  await tf.setBackend("cpu");
  const device = await openEagerDevice({ name: "cpu", numerics: "cpu", backend: "cpu" });
  const evaluate = await compile(device, of, false);
  const before = tf.memory().numTensors;
  const { numbers } = await evaluate(of.start);
  const left = tf.memory().numTensors - before;
  const problems: CodeProblem[] = [];
  if (left > 0) {
    const fix = "use neither tf.keep nor tf.variable, and keep no tensors between calls";
    problems.push({ message: "tensors left after a call", got: `${left}`, wanted: "0", fix });
  }
  if (of.elsewhere !== undefined) {
    const others = (await (await compile(device, { ...of, inputs: of.elsewhere }, false))(of.start)).numbers;
    const [own, other] = [numbers, others].map((all) => all.subarray(0, all.length / 3));
    if (areFar(own!, other!, MIXED)) {
      const fix = "use no mean or other figure over the first axis: images are drawn in batches of any size";
      problems.push({ message: "an image among others", got: "another output", wanted: "the same", fix });
    }
  }
  return problems;
}
