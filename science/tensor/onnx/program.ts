import type { HostTensors } from "../device.ts";
import { allocate } from "../feeds.ts";
import { isOperation } from "../trace/emit/shape.ts";
import { type Graph, liveValues, type Value } from "../trace/graph.ts";
import { specOf, type TracedFunction } from "../trace/trace.ts";
import { chooseConvolutions, splitFixed, stripViews } from "./passes/split_fixed.ts";
import { fuseBias } from "./passes/fuse_bias.ts";
import { fuseContrib } from "./passes/fuse_contrib.ts";
import { overwritableInputs } from "./passes/in_place.ts";
import { pixelsFirst } from "./passes/pixels_first.ts";
import { rewriteEach } from "../trace/rewrite.ts";
import { splitFlatVectors, viewArrays } from "./passes/split_flat_vectors.ts";
import { openSession, type SessionOptions } from "./session.ts";

/** A traced function in ONNX Runtime. */
export type Program = Awaited<ReturnType<typeof openProgram>>;

export interface ProgramOptions extends SessionOptions {
  /** True if the device's numerics have `hasFastConv`. */
  readonly fastConv: boolean;
}

/**
 * Opens a program. As constants, fixed values would be in memory several times: in the model, as ONNX Runtime reads it,
 * and as its kernels prefer it. So everything that depends on fixed values alone is computed by a separate session,
 * into arrays that each run reads. Only filters of ONNX Runtime's own convolution become constants: with them it is
 * twice as fast.
 *
 * @param fixed values of inputs that never change: what depends on them alone is computed once
 */
export async function openProgram(
  { graph, inputs, outputs }: TracedFunction,
  fixed: HostTensors,
  { fastConv, ...options }: ProgramOptions,
) {
  const viewed = splitFlatVectors(graph, inputs, outputs);
  const known = viewArrays(fixed, viewed.inputViews);
  const fixedInputs = new Set(viewed.inputs.filter(({ name }) => name in known));
  const chosen = chooseConvolutions(graph, viewed.outputs, fixedInputs, fastConv);
  const fused = fuseContrib(graph, pixelsFirst(graph, fuseBias(graph, chosen)));
  const split = splitFixed(graph, viewed.inputs, fused, fixedInputs);
  const sourcesOf = (values: Iterable<Value>) => {
    const live = new Set(liveValues(values));
    return [...fixedInputs].filter((input) => live.has(input));
  };

  const made = [...split.prepared.keys()];
  const prepared = Object.fromEntries(made.map((input) => [input.name, allocate(specOf(input))]));
  if (made.length > 0) {
    const wanted = new Map([...split.prepared].map(([input, value]) => [input.name, value]));
    const once = await openSession(sourcesOf(wanted.values()), wanted, options);
    try {
      await once.run(known, prepared);
    } finally {
      await once.release();
    }
  }

  const held = { ...known, ...prepared };
  const constants = filterConstants(graph, split.outputs, held);
  const final = rewriteEach(graph, split.outputs, (value) => constants.get(value));
  const read = [...viewed.inputs.filter((input) => !fixedInputs.has(input)), ...sourcesOf(final.values()), ...made];
  const session = await openSession(read.filter((input) => !constants.has(input)), final, {
    ...options,
    constantFilters: constants.size > 0,
  });
  return {
    /** Runs the program. `feeds` holds every input that is not fixed, `results` an array for every output. */
    execute: (feeds: HostTensors, results: HostTensors) =>
      session.run({ ...viewArrays(feeds, viewed.inputViews), ...held }, viewArrays(results, viewed.outputViews)),
    /** Returns those of some inputs that the output of the same name may overwrite. */
    overwritable: (names: readonly string[]): ReadonlySet<string> => overwritableInputs(viewed, split.outputs, names),
    release: () => session.release(),
  };
}

/** Returns constants for the held inputs that are filters or biases of convolutions. */
function filterConstants(graph: Graph, outputs: ReadonlyMap<string, Value>, held: HostTensors): Map<Value, Value> {
  const constants = new Map<Value, Value>();
  for (const value of liveValues(outputs.values())) {
    if (!isOperation(value, "Conv")) continue;
    for (const input of value.inputs.slice(1).map(stripViews)) {
      if (input.kind !== "input" || !(input.name in held)) continue;
      constants.set(input, graph.constant(input.type, input.shape, held[input.name]!));
    }
  }
  return constants;
}
