import type { HostTensors } from "../device.ts";
import { allocate } from "../feeds.ts";
import { liveValues, type Value } from "../trace/graph.ts";
import { specOf, type TracedFunction } from "../trace/trace.ts";
import { fuseBias } from "./passes/fuse_bias.ts";
import { fuseContrib } from "./passes/fuse_contrib.ts";
import { overwritableInputs } from "./passes/in_place.ts";
import { pixelsFirst } from "./passes/pixels_first.ts";
import { splitFixed } from "./passes/split_fixed.ts";
import { viewArrays, viewFlatVectors } from "./passes/views.ts";
import { openSession, type SessionOptions } from "./session.ts";

/** A traced function in ONNX Runtime. */
export type Program = Awaited<ReturnType<typeof openProgram>>;

/**
 * As constants, fixed values would be in memory several times: in the model, as ONNX Runtime reads it, and as its
 * kernels would like to have it. So what follows from them is computed by a session of its own, into arrays that each
 * run reads.
 *
 * @param fixed values of inputs that never change: what follows from them alone is computed once
 */
export async function openProgram(
  { graph, inputs, outputs }: TracedFunction,
  fixed: HostTensors,
  options: SessionOptions,
) {
  const viewed = viewFlatVectors(graph, inputs, outputs);
  const known = viewArrays(fixed, viewed.inputViews);
  const [fixedInputs, free] = [true, false].map((is) => viewed.inputs.filter(({ name }) => name in known === is));
  const placed = pixelsFirst(graph, fuseBias(graph, viewed.outputs));
  const fused = fuseContrib(graph, placed);
  const split = splitFixed(graph, viewed.inputs, fused, new Set(fixedInputs));
  const sourcesOf = (values: Iterable<Value>) => {
    const live = new Set(liveValues(values));
    return fixedInputs!.filter((input) => live.has(input));
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

  const session = await openSession([...free!, ...sourcesOf(split.outputs.values()), ...made], split.outputs, options);
  const held = { ...known, ...prepared };
  return {
    /** `feeds` holds every input that is not fixed, `results` an array for every output. */
    execute: (feeds: HostTensors, results: HostTensors) =>
      session.run({ ...viewArrays(feeds, viewed.inputViews), ...held }, viewArrays(results, viewed.outputViews)),
    /** Which of some inputs the output of the same name may be written over. */
    overwritable: (names: readonly string[]): ReadonlySet<string> => overwritableInputs(viewed, split.outputs, names),
    release: () => session.release(),
  };
}
