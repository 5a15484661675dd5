import * as tf from "@tensorflow/tfjs-core";
import type {
  BoundFunction,
  CompiledFunction,
  DType,
  HostArray,
  HostTensors,
  NamedTensors,
  PureFunction,
  Signature,
} from "../device.ts";
import { checkHeldNames, elementCount, holdInputs, type Interface, prepareRun } from "../feeds.ts";
import { oneAtATime } from "../one_at_a_time.ts";
import { trace } from "../trace/trace.ts";
import { withBackend } from "./backend.ts";

/**
 * A function on an eager TF.js backend: each run calls it again, op by op. It is traced once without data, which finds
 * the shapes of its outputs and refuses here what device `onnx` would refuse.
 *
 * @param backend name of an initialised TF.js backend
 */
export function compileEager(backend: string, fn: PureFunction, inputs: Signature, label: string): CompiledFunction {
  const traced = trace(fn, inputs, label);
  const outputs: Signature = Object.fromEntries(
    [...traced.outputs].map(([name, { shape, type }]) => [name, { shape, dtype: type as DType }]),
  );
  const io: Interface = { label, inputs, outputs };
  const bound = new Set<BoundFunction>();
  let open = true;
  const assertOpen = () => {
    if (!open) throw new Error(`Cannot run "${label}": it has been disposed of`);
  };
  return {
    inputs,
    outputs,
    async run(feeds, into = {}) {
      assertOpen();
      const results = prepareRun(io, feeds, into);
      const tensors = compute(backend, fn, feeds, io);
      await download(tensors, results);
      dispose(tensors);
      return results;
    },
    async bind(held) {
      assertOpen();
      const made = bindEager(backend, fn, io, held);
      bound.add(made);
      return {
        ...made,
        async dispose() {
          bound.delete(made);
          await made.dispose();
        },
      };
    },
    async dispose() {
      open = false;
      await Promise.all([...bound].map((each) => each.dispose()));
      bound.clear();
    },
  };
}

function bindEager(backend: string, fn: PureFunction, io: Interface, values: HostTensors): BoundFunction {
  const binding = holdInputs(io, values);
  const { free, carried } = binding;
  const inTurn = oneAtATime();
  let held: NamedTensors | undefined = withBackend(backend, () => upload(values, binding.held));
  const current = () => {
    if (held === undefined) throw new Error(`Cannot run "${io.label}": it has been disposed of`);
    return held;
  };
  return {
    run: (feeds, into = {}) =>
      inTurn(async () => {
        const before = current();
        const results = prepareRun(free, feeds, into);
        const tensors = compute(backend, fn, feeds, io, before);
        held = { ...before };
        for (const name of carried) {
          before[name]!.dispose();
          held[name] = tensors[name]!;
          delete tensors[name];
        }
        await download(tensors, results);
        dispose(tensors);
        return results;
      }),
    read: (names = Object.keys(binding.held)) =>
      inTurn(async () => {
        const tensors = current();
        checkHeldNames(binding, names);
        const entries = names.map(async (name) => [name, (await tensors[name]!.data()).slice() as HostArray] as const);
        return Object.fromEntries(await Promise.all(entries));
      }),
    dispose: () =>
      inTurn(async () => {
        if (held !== undefined) dispose(held);
        held = undefined;
      }),
  };
}

/** Call the function once; the tensors that it returns are the caller's to dispose of. */
function compute(backend: string, fn: PureFunction, feeds: HostTensors, io: Interface, held: NamedTensors = {}) {
  return withBackend(backend, () =>
    tf.tidy(() => {
      const first = tf.scalar(0);
      const results = fn({ ...held, ...upload(feeds, io.inputs) });
      const seen = new Set<tf.Tensor>();
      return Object.fromEntries(
        Object.keys(io.outputs).map((name) => {
          const tensor = results[name]!;
          // Held inputs and tensors that the function has from elsewhere are not ours to dispose of, and none twice.
          const shared = tensor.id < first.id || seen.has(tensor);
          seen.add(tensor);
          return [name, shared ? tf.clone(tensor) : tensor];
        }),
      );
    }));
}

function upload(arrays: HostTensors, signature: Signature): NamedTensors {
  return Object.fromEntries(
    Object.entries(arrays).map(([name, data]) => {
      const { shape, dtype } = signature[name]!;
      // A copy, because some backends keep the array itself, which belongs to the caller.
      return [name, tf.tensor(data.slice(), [...shape], dtype)];
    }),
  );
}

async function download(tensors: NamedTensors, into: HostTensors): Promise<void> {
  await Promise.all(
    Object.entries(tensors).map(async ([name, tensor]) => {
      const data = await tensor.data();
      if (data.length !== elementCount(tensor as { shape: number[]; dtype: DType })) {
        throw new Error(`Cannot happen: output "${name}" has ${data.length} elements.`);
      }
      into[name]!.set(data);
    }),
  );
}

function dispose(tensors: NamedTensors): void {
  for (const tensor of Object.values(tensors)) tensor.dispose();
}
