import * as ort from "onnxruntime-node";
import type { HostTensors } from "../device.ts";
import type { InputValue, Value } from "../trace/graph.ts";
import { runWithoutCopies } from "./no_copies.ts";
import { INPUT_PREFIX, OUTPUT_PREFIX, serializeModel } from "./serialize.ts";

/** Log level that prints nothing: ONNX Runtime also throws its errors, and printing them would bypass their handler. */
const FATAL = 4;

export interface SessionOptions {
  readonly label: string;
  readonly threads: number;
}

/** Loads a model for the CPU. */
export function createSession(model: Uint8Array, threads: number, options: ort.InferenceSession.SessionOptions = {}) {
  return ort.InferenceSession.create(model, {
    executionProviders: ["cpu"],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: FATAL,
    ...options,
  });
}

/** Loads a graph. */
export async function openSession(
  inputs: readonly InputValue[],
  outputs: ReadonlyMap<string, Value>,
  { label, threads, constantFilters = false }: SessionOptions & { readonly constantFilters?: boolean },
) {
  const session = await explain(
    `Cannot compile "${label}": ONNX Runtime rejects the graph`,
    () =>
      createSession(serializeModel(inputs, outputs), threads, {
        // Convolutions with constant filters are fast only in the blocked layout that the highest level uses. All other
        // optimizations are already in the graph (see `passes`), and ONNX Runtime's search for them makes training
        // steps 1% slower.
        graphOptimizationLevel: constantFilters ? "all" : "disabled",
        executionMode: "sequential",
        // The pattern would be a second arena beside that of the first run: half as much memory again, for 4% of the
        // time.
        enableMemPattern: false,
      }),
  );
  const given = inputs.map((input) => [input.name, input] as const);
  return {
    /** Both sides are views of the callers' memory: ONNX Runtime reads and writes it in place. */
    async run(feeds: HostTensors, results: HostTensors): Promise<void> {
      const [read, written] = [tensorsOf(feeds, given, INPUT_PREFIX), tensorsOf(results, outputs, OUTPUT_PREFIX)];
      await explain(`Cannot run "${label}"`, () => runWithoutCopies(session, read, written));
    },
    release: () => session.release(),
  };
}

async function explain<T>(what: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

/** Wraps the arrays that the graph uses as tensors. */
function tensorsOf(arrays: HostTensors, values: Iterable<readonly [string, Value]>, prefix: string) {
  return Object.fromEntries([...values].map(([name, { type, shape }]) => {
    return [prefix + name, new ort.Tensor(type, arrays[name]!, shape)];
  }));
}
