import type { HostTensors } from "../device.ts";
import type { ConstantData, Value } from "../trace/graph.ts";
import type { TracedFunction } from "../trace/trace.ts";
import { fuseBias } from "./passes/fuse_bias.ts";
import { overwritableInputs } from "./passes/in_place.ts";
import { rewrite } from "./passes/rewrite.ts";
import { viewArrays, viewFlatVectors } from "./passes/views.ts";
import { serializeModel } from "./serialize.ts";
import { openSession, type SessionOptions, stopsCopying } from "./session.ts";

/** A traced function in ONNX Runtime. */
export interface Program {
  /** `feeds` holds every input that is not constant, `results` an array for every output. */
  execute(feeds: HostTensors, results: HostTensors): Promise<void>;
  /** Which of some inputs the output of the same name may be written over. */
  overwritable(names: readonly string[]): ReadonlySet<string>;
  release(): Promise<void>;
}

/**
 * @param constants values of inputs that never change: what follows from them alone is computed once, when the session
 *   is made, and ONNX Runtime packs matrices for its kernels
 */
export async function openProgram(
  { graph, inputs, outputs }: TracedFunction,
  constants: HostTensors,
  options: SessionOptions,
): Promise<Program> {
  const viewed = viewFlatVectors(graph, inputs, outputs);
  const values = viewArrays(constants, viewed.inputViews, viewed.inputSignature);
  const known = new Map<Value, Value>();
  for (const input of viewed.inputs) {
    const data: ConstantData | undefined = values[input.name];
    if (data !== undefined) known.set(input, graph.constant(input.type, input.shape, data));
  }
  const free = viewed.inputs.filter((input) => !known.has(input));
  const signature = Object.fromEntries(free.map(({ name }) => [name, viewed.inputSignature[name]!]));
  const results = fuseBias(graph, rewrite(graph, viewed.outputs, known));
  const model = serializeModel(free, results, { noTensor: stopsCopying(options.provider) });
  const session = await openSession(model, signature, viewed.outputSignature, options);
  return {
    execute: (feeds, into) =>
      session.run(
        viewArrays(feeds, viewed.inputViews, signature),
        viewArrays(into, viewed.outputViews, viewed.outputSignature),
      ),
    overwritable: (names) => overwritableInputs(viewed, results, names),
    release: () => session.release(),
  };
}
