import type { BoundFunction, CompiledFunction, DType, HostTensors, Signature } from "../device.ts";
import { holdInputs, type Interface, prepareRun } from "../feeds.ts";
import type { Value } from "../trace/graph.ts";
import type { TracedFunction } from "../trace/trace.ts";
import { fuseBias } from "./passes/fuse_bias.ts";
import { viewArrays, viewFlatVectors } from "./passes/views.ts";
import { serializeModel } from "./serialize.ts";
import { openSession, type Session, type SessionOptions } from "./session.ts";

/** A traced function that runs in ONNX Runtime. Sessions are made when they are first needed, one per graph. */
export async function compileTraced(
  traced: TracedFunction,
  inputs: Signature,
  options: SessionOptions,
): Promise<CompiledFunction> {
  const { label } = options;
  const outputs: Signature = Object.fromEntries([...traced.outputs].map(([name, value]) => [name, specOf(value)]));
  const io: Interface = { label, inputs, outputs };
  const viewed = viewFlatVectors(traced.graph, traced.inputs, traced.outputs);
  const model = serializeModel(viewed.inputs, fuseBias(traced.graph, viewed.outputs));
  const session = await openSession(model, viewed.inputSignature, viewed.outputSignature, options);
  let open = true;
  const run = async (feeds: HostTensors, into: HostTensors) => {
    if (!open) throw new Error(`Cannot run "${label}": it has been disposed of`);
    await session.run(
      viewArrays(feeds, viewed.inputViews, viewed.inputSignature),
      viewArrays(into, viewed.outputViews, viewed.outputSignature),
    );
  };
  return {
    inputs,
    outputs,
    async run(feeds, into = {}) {
      const arrays = prepareRun(io, feeds, into);
      await run(feeds, arrays);
      return arrays;
    },
    bind: async (held) => bindOnHost(io, held, run),
    async dispose() {
      if (!open) return;
      open = false;
      await session.release();
    },
  };
}

/** Held values in two sets of arrays that take turns as inputs and outputs, so that a run copies nothing. */
function bindOnHost(io: Interface, values: HostTensors, execute: Session["run"]): BoundFunction {
  const { free, held: heldInputs, carried } = holdInputs(io, values);
  let open = true;
  const current: HostTensors = { ...values };
  const spare: HostTensors = {};
  for (const name of carried) {
    current[name] = values[name]!.slice();
    spare[name] = values[name]!.slice();
  }
  const assertOpen = () => {
    if (!open) throw new Error(`Cannot run "${io.label}": it has been disposed of`);
  };
  return {
    async run(feeds, into = {}) {
      assertOpen();
      const results = prepareRun(free, feeds, into);
      await execute({ ...feeds, ...current }, { ...results, ...spare });
      for (const name of carried) [current[name], spare[name]] = [spare[name]!, current[name]!];
      return results;
    },
    async read(names = Object.keys(heldInputs)) {
      assertOpen();
      return Object.fromEntries(names.map((name) => [name, current[name]!.slice()]));
    },
    async dispose() {
      open = false;
    },
  };
}

function specOf({ shape, type }: Value) {
  return { shape, dtype: type as DType };
}
