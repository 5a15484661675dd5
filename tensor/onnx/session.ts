import * as ort from "onnxruntime-node";
import type { HostTensors, Signature } from "../device.ts";
import { runWithoutCopies } from "./no_copies.ts";
import { INPUT_PREFIX, OUTPUT_PREFIX } from "./serialize.ts";

/** ONNX Runtime throws its errors too; printing them as well would break in on whoever handles them. */
const FATAL = 4;

export interface SessionOptions {
  readonly label: string;
  readonly threads: number;
}

/** Load a model for the CPU. */
export function createSession(
  model: Uint8Array,
  threads: number,
  options: ort.InferenceSession.SessionOptions = {},
): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(model, {
    executionProviders: ["cpu"],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: FATAL,
    ...options,
  });
}

/** A model that is loaded into ONNX Runtime. */
export interface Session {
  /** Both sides are views of the callers' memory: ONNX Runtime reads and writes it in place. */
  run(feeds: HostTensors, results: HostTensors): Promise<void>;
  release(): Promise<void>;
}

/**
 * Load a model whose inputs and outputs are those of the signatures, with the two prefixes before their names, and with
 * an output that is no tensor.
 */
export async function openSession(
  model: Uint8Array,
  inputs: Signature,
  outputs: Signature,
  { label, threads }: SessionOptions,
): Promise<Session> {
  const session = await explain(
    `Cannot compile "${label}": ONNX Runtime rejects the graph`,
    () =>
      createSession(model, threads, {
        // What the larger optimizations would find is in the graph already: see `passes/fuse_contrib.ts`.
        graphOptimizationLevel: "basic",
        executionMode: "sequential",
        // The pattern is a second arena beside that of the first run: memory of the activations twice, and no faster.
        enableMemPattern: false,
      }),
  );
  return {
    async run(feeds, results) {
      const [read, written] = [tensorsOf(feeds, inputs, INPUT_PREFIX), tensorsOf(results, outputs, OUTPUT_PREFIX)];
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
