import * as ort from "onnxruntime-node";
import type { DType, HostTensors } from "../device.ts";
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
        // A memory pattern would allocate a second arena beside the first run's: 50% more memory, to save 4% of the
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
    return [prefix + name, new ort.Tensor(type as DType, arrays[name]!, shape)];
  }));
}

/**
 * Opens an external graph, such as a feature extractor, to run on one float32 input.
 *
 * @throws Error when ONNX Runtime cannot load the model, or the model does not have exactly one input
 */
export async function openOnnxGraph(model: Uint8Array, { threads }: { readonly threads: number }) {
  const session = await createSession(model, threads);
  const [input, ...more] = session.inputNames;
  if (input === undefined || more.length > 0) {
    throw new Error(`the graph has ${session.inputNames.length} inputs (${session.inputNames.join(", ")}), wanted one`);
  }
  return {
    outputs: session.outputNames,
    /** @returns the named outputs, with a vector for each item, and the length of the vectors */
    async run(data: Float32Array, shape: readonly number[], outputs: readonly string[]) {
      const results = await session.run({ [input]: new ort.Tensor("float32", data, shape) }, outputs);
      return Object.fromEntries(outputs.map((name) => {
        const { data, dims, type } = results[name]!;
        if (!(data instanceof Float32Array)) throw new Error(`output ${name}: got ${type}, wanted float32`);
        const [count, width, ...rest] = dims;
        // Maps of 1x1 pixels are vectors; larger ones would be a different feature.
        if (count !== shape[0] || rest.some((side) => side !== 1)) {
          throw new Error(`output "${name}": got shape [${dims}], wanted [${shape[0]}, D]`);
        }
        return [name, { data, width: width! }];
      }));
    },
    release: () => session.release(),
  };
}
