import * as tf from "@tensorflow/tfjs-core";
import type {
  Device,
  HostArray,
  HostTensors,
  NamedTensors,
  PureFunction,
  Signature,
} from "../../science/tensor/device.ts";
import type { ParityCase } from "./fixtures.ts";
import { OPERATIONS, tfOperation } from "./operations.ts";
import { runTraining } from "./run_training.ts";

/** Computes the outputs of a case on a device. */
export async function runCase(device: Device, parityCase: ParityCase): Promise<HostTensors> {
  if (parityCase.op === "training") return await runTraining(device, parityCase);
  const { fn, inputs, feeds } = caseFunction(parityCase);
  const compiled = await device.compile(fn, inputs, { label: parityCase.name });
  try {
    const bound = await compiled.bind(partOf(feeds, (name) => isHeld(parityCase, name)));
    return await bound.run(partOf(feeds, (name) => !isHeld(parityCase, name)));
  } finally {
    await compiled.dispose();
  }
}

/** A network runs as in a sampler, with its weights held by the device; training steps are separate cases. */
function isHeld({ op }: ParityCase, name: string): boolean {
  return op === "unet" && name !== "x" && name !== "t";
}

function partOf(feeds: HostTensors, isPart: (name: string) => boolean): HostTensors {
  return Object.fromEntries(Object.entries(feeds).filter(([name]) => isPart(name)));
}

export interface CaseFunction {
  readonly fn: PureFunction;
  readonly inputs: Signature;
  readonly feeds: HostTensors;
}

/** Returns a case as a function that a device can compile. */
export function caseFunction({ name, op, attributes, inputs }: ParityCase): CaseFunction {
  const operation = attributes.args === undefined ? OPERATIONS[op] : tfOperation(op, attributes.args);
  if (operation === undefined) throw new Error(`Case "${name}": there is no operation "${op}" in operations.ts`);
  const entries = Object.entries(inputs);
  const signature = entries.map(([key, { shape, data }]) =>
    [key, { shape, dtype: data instanceof Int32Array ? "int32" : "float32" }] as const
  );
  const bound = (tensors: NamedTensors) => operation(tensors, attributes);
  return {
    fn: "cotangent" in inputs ? withGradients(bound) : (tensors) => asNamed(bound(tensors)),
    inputs: Object.fromEntries(signature),
    feeds: Object.fromEntries(entries.map(([key, { data }]) => [key, data as HostArray])),
  };
}

function asNamed(outputs: tf.Tensor | NamedTensors): NamedTensors {
  return outputs instanceof tf.Tensor ? { y: outputs } : outputs;
}

/**
 * Returns a function that computes `y`, and `d<name>` of sum(y * cotangent) by TF.js's autodiff for each float32 input.
 */
function withGradients(operation: (inputs: NamedTensors) => tf.Tensor | NamedTensors): PureFunction {
  return ({ cotangent, ...inputs }) => {
    const names = Object.keys(inputs).filter((name) => inputs[name]!.dtype === "float32");
    const { value, grads } = tf.valueAndGrads((...tensors) => {
      const given = Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
      return operation({ ...inputs, ...given }) as tf.Tensor;
    })(names.map((name) => inputs[name]!), cotangent!);
    return { y: value, ...Object.fromEntries(names.map((name, i) => [`d${name}`, grads[i]!])) };
  };
}
