import * as ort from "onnxruntime-node";
import type { HostTensors } from "../device.ts";
import type { InputValue, Value } from "../trace/graph.ts";
import { runWithoutCopies } from "./no_copies.ts";
import { INPUT_PREFIX, OUTPUT_PREFIX, serializeModel } from "./serialize.ts";

/** ONNX Runtime throws its errors too; printing them as well would break in on whoever handles them. */
const FATAL = 4;

export interface SessionOptions {
  readonly label: string;
  readonly threads: number;
}

/** Load a model for the CPU. */
export function createSession(model: Uint8Array, threads: number, options: ort.InferenceSession.SessionOptions = {}) {
  return ort.InferenceSession.create(model, {
    executionProviders: ["cpu"],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: FATAL,
    ...options,
  });
}

/** Load a graph. */
export async function openSession(
  inputs: readonly InputValue[],
  outputs: ReadonlyMap<string, Value>,
  { label, threads, constantFilters = false }: SessionOptions & { readonly constantFilters?: boolean },
) {
  const session = await explain(
    `Cannot compile "${label}": ONNX Runtime rejects the graph`,
    () =>
      createSession(serializeModel(inputs, outputs), threads, {
        // Convolutions are fast in the blocked layout that only the last level gives them, with constant filters. What else
        // ONNX Runtime would find is in the graph already (see `passes`), and its search makes training steps 1% slower.
        graphOptimizationLevel: constantFilters ? "all" : "disabled",
        executionMode: "sequential",
        // The pattern is a second arena beside that of the first run: half as much memory again, for 4% of the time.
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

/** Of the arrays those that the graph has. */
function tensorsOf(arrays: HostTensors, values: Iterable<readonly [string, Value]>, prefix: string) {
  return Object.fromEntries([...values].map(([name, { type, shape }]) => {
    return [prefix + name, new ort.Tensor(type, arrays[name]!, shape)];
  }));
}
