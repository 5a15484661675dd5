import * as ort from "onnxruntime-node";
import type { CompiledFunction, DType, HostArray, HostTensors, Signature } from "../device.ts";
import { sizeOf } from "./graph.ts";
import { INPUT_PREFIX, OUTPUT_PREFIX } from "./serialize.ts";

/** ONNX Runtime throws its errors too; printing them as well would break in on whoever handles them. */
const FATAL = 4;

export interface SessionOptions {
  readonly label: string;
  readonly threads: number;
  readonly optimization?: "all" | "disabled";
}

/** Load a model of {@linkcode serializeModel} whose inputs and outputs are those of the signatures. */
export async function openSession(
  model: Uint8Array,
  inputs: Signature,
  outputs: Signature,
  options: SessionOptions,
): Promise<CompiledFunction> {
  const { label, threads } = options;
  const session = await explain(
    `Cannot compile "${label}": ONNX Runtime rejects the graph`,
    () =>
      ort.InferenceSession.create(model, {
        executionProviders: ["cpu"],
        graphOptimizationLevel: options.optimization ?? "all",
        executionMode: "sequential",
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        logSeverityLevel: FATAL,
      }),
  );
  let open = true;
  return {
    inputs,
    outputs,
    async run(feeds, into = {}) {
      if (!open) throw new Error(`Cannot run "${label}": it has been disposed of`);
      checkNames("feed", feeds, inputs, label);
      for (const name of Object.keys(inputs)) {
        if (!(name in feeds)) throw new Error(`Cannot run "${label}": feed "${name}" is missing`);
      }
      checkNames("output", into, outputs, label);
      checkDistinct(feeds, into, label);
      const results: HostTensors = {};
      for (const [name, spec] of Object.entries(outputs)) {
        results[name] = into[name] ?? allocate(spec.dtype, sizeOf(spec.shape));
      }
      // Both sides are views of the callers' memory: ONNX Runtime reads and writes it in place.
      const [read, written] = [tensorsOf(feeds, inputs, INPUT_PREFIX), tensorsOf(results, outputs, OUTPUT_PREFIX)];
      await explain(`Cannot run "${label}"`, () => session.run(read, written));
      return results;
    },
    async dispose() {
      if (!open) return;
      open = false;
      await session.release();
    },
  };
}

async function explain<T>(what: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

function allocate(dtype: DType, length: number): HostArray {
  return dtype === "float32" ? new Float32Array(length) : new Int32Array(length);
}

function tensorsOf(arrays: HostTensors, signature: Signature, prefix: string): Record<string, ort.Tensor> {
  const tensors: Record<string, ort.Tensor> = {};
  for (const [name, data] of Object.entries(arrays)) {
    const shape = signature[name]!.shape;
    tensors[prefix + name] = data instanceof Float32Array
      ? new ort.Tensor("float32", data, shape)
      : new ort.Tensor("int32", data, shape);
  }
  return tensors;
}

function checkNames(role: "feed" | "output", arrays: HostTensors, signature: Signature, label: string): void {
  for (const [name, data] of Object.entries(arrays)) {
    const spec = signature[name];
    if (spec === undefined) {
      const known = Object.keys(signature).map((key) => `"${key}"`).join(", ");
      throw new Error(`Cannot run "${label}": there is no ${role} "${name}". Fix: use ${known}.`);
    }
    const wanted = spec.dtype === "float32" ? Float32Array : Int32Array;
    const length = sizeOf(spec.shape);
    if (!(data instanceof wanted) || data.length !== length) {
      const got = `${(data as object | undefined)?.constructor.name ?? data} of ${(data as HostArray)?.length}`;
      throw new Error(
        `Cannot run "${label}": ${role} "${name}" must be ${wanted.name} of ${length} ([${spec.shape}]): got ${got}`,
      );
    }
  }
}

/** An output that is written over a feed, or over another output, would give results that depend on timing. */
function checkDistinct(feeds: HostTensors, into: HostTensors, label: string): void {
  const written = Object.entries(into);
  written.forEach(([name, target], index) => {
    const others = [...Object.entries(feeds), ...written.slice(index + 1)];
    for (const [other, source] of others) {
      const apart = target.buffer !== source.buffer ||
        target.byteOffset + target.byteLength <= source.byteOffset ||
        source.byteOffset + source.byteLength <= target.byteOffset;
      if (!apart) {
        throw new Error(
          `Cannot run "${label}": output "${name}" shares memory with "${other}". Fix: use its own array.`,
        );
      }
    }
  });
}
