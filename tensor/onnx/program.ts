import type { HostArray, HostTensors } from "../device.ts";
import { allocate } from "../feeds.ts";
import { type Graph, type InputValue, liveValues, type Value } from "../trace/graph.ts";
import { specOf, type TracedFunction } from "../trace/trace.ts";
import { fuseBias } from "./passes/fuse_bias.ts";
import { fuseContrib } from "./passes/fuse_contrib.ts";
import { overwritableInputs } from "./passes/in_place.ts";
import { splitFixed } from "./passes/split_fixed.ts";
import { viewArrays, viewFlatVectors } from "./passes/views.ts";
import { openSession, type SessionOptions } from "./session.ts";

/** A traced function in ONNX Runtime. */
export interface Program {
  /** `feeds` holds every input that is not fixed, `results` an array for every output. */
  execute(feeds: HostTensors, results: HostTensors): Promise<void>;
  /** Which of some inputs the output of the same name may be written over. */
  overwritable(names: readonly string[]): ReadonlySet<string>;
  release(): Promise<void>;
}

type InputArrays = ReadonlyMap<InputValue, HostArray>;

/** @param fixed values of inputs that never change: what follows from them alone is computed once */
export async function openProgram(
  { graph, inputs, outputs }: TracedFunction,
  fixed: HostTensors,
  options: SessionOptions,
): Promise<Program> {
  const viewed = viewFlatVectors(graph, inputs, outputs);
  const values = viewArrays(fixed, viewed.inputViews, namesOf(viewed.inputs));
  const known = new Map(viewed.inputs.flatMap((input) => {
    const value = values[input.name];
    return value === undefined ? [] : [[input, value] as const];
  }));
  const fused = fuseContrib(graph, fuseBias(graph, viewed.outputs));
  const prepared = await computeOnce(graph, viewed.inputs, fused, known, options);

  const free = viewed.inputs.filter((input) => !known.has(input));
  const held = byName(prepared.held);
  const session = await openSession([...free, ...prepared.held.keys()], prepared.outputs, options);
  const freeNames = namesOf(free);
  return {
    execute: (feeds, into) =>
      session.run(
        { ...viewArrays(feeds, viewed.inputViews, freeNames), ...held },
        viewArrays(into, viewed.outputViews, viewed.outputs.keys()),
      ),
    overwritable: (names) => overwritableInputs(viewed, prepared.outputs, names),
    release: () => session.release(),
  };
}

/**
 * As constants, fixed values would be in memory several times: in the model, as ONNX Runtime reads it, and as its
 * kernels would like to have it. So what follows from them is computed by a session of its own, into arrays that each
 * run reads.
 */
async function computeOnce(
  graph: Graph,
  inputs: readonly InputValue[],
  outputs: ReadonlyMap<string, Value>,
  known: InputArrays,
  options: SessionOptions,
) {
  const split = splitFixed(graph, inputs, outputs, new Set(known.keys()));
  const results = new Map([...split.prepared.keys()].map((input) => [input, allocate(specOf(input))]));
  if (results.size > 0) {
    const sources = amongLive(known, split.prepared.values());
    const wanted = new Map([...split.prepared].map(([input, value]) => [input.name, value]));
    const session = await openSession([...sources.keys()], wanted, options);
    try {
      await session.run(byName(sources), byName(results));
    } finally {
      await session.release();
    }
  }
  return { outputs: split.outputs, held: new Map([...amongLive(known, split.outputs.values()), ...results]) };
}

function amongLive(known: InputArrays, outputs: Iterable<Value>): InputArrays {
  const live = new Set(liveValues(outputs));
  return new Map([...known].filter(([input]) => live.has(input)));
}

function namesOf(inputs: readonly InputValue[]): string[] {
  return inputs.map(({ name }) => name);
}

function byName(arrays: InputArrays): HostTensors {
  return Object.fromEntries([...arrays].map(([input, array]) => [input.name, array]));
}
