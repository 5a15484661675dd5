import "../complete_tfjs.ts";
import * as tf from "@tensorflow/tfjs-core";
import type { HostTensors, PureFunction, Signature } from "../device.ts";
import { cannotCompile } from "../trace/failure.ts";
import { placeOf, trace } from "../trace/trace.ts";
import { computeConvolution } from "../trace/translations/conv.ts";
import { comparedLengths, forAnyLength, type FreeLength, LengthDependence } from "./any_length.ts";
import { rewriteEach } from "../trace/rewrite.ts";
import { splitFlatVectors, viewArrays } from "./passes/split_flat_vectors.ts";
import { serializeModel } from "./serialize.ts";

interface ModelToExport {
  /** Default: `batch`, the first axis. */
  readonly free?: readonly FreeLength[];
  readonly label: string;
  /** Values of inputs that the model holds. Vectors of which each user takes a part are stored as these parts. */
  readonly held: HostTensors;
  /** Returns the name of the part of a held input that begins at an index. */
  nameOf(held: string, start: number): string;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Encodes a function as an ONNX model for any values of its free lengths, of operators that ONNX itself defines.
 *
 * @param makeFor returns the function and its inputs for free lengths, in steps; the first is the first axis of all
 * inputs that are not held, and of every output
 * @throws CompileError with the user's line, when an operation cannot be in such a model
 */
export async function exportModel(
  makeFor: (...lengths: number[]) => readonly [fn: PureFunction, inputs: Signature],
  { label, held, nameOf, metadata, free = [{ name: "batch", axis: 0 }] }: ModelToExport,
): Promise<Uint8Array> {
  await tf.ready();
  const made = comparedLengths(free).map((lengths) => makeFor(...lengths));
  const traced = made.map(([fn, inputs]) => trace(fn, inputs, label));
  const given = traced[0]!.inputs.filter(({ name }) => !(name in held));
  const merged = (all: readonly Pick<(typeof traced)[number], "outputs">[], held?: HostTensors) =>
    forAnyLength(all.map(({ outputs }) => outputs), free, given, held);
  try {
    // Only here are the values those of which the trace knows the place.
    merged(traced);
  } catch (error) {
    if (!(error instanceof LengthDependence)) throw error;
    const { value, message } = error;
    const place = placeOf(value, ...made[0]!);
    const found = value.kind === "operation" ? `operation ${value.op}` : "a constant";
    const fix = "Fix: write it so that each image is computed alone.";
    throw cannotCompile(label, `${found} (called at ${place}): ${message}. ${fix}`, error);
  }
  const views = new Map<string, string>();
  const plain = traced.map(({ graph, inputs, outputs }) => {
    const viewed = splitFlatVectors(graph, inputs, outputs);
    for (const [name, { whole, start }] of viewed.inputViews) views.set(name, nameOf(whole, start));
    return {
      views: viewed.inputViews,
      outputs: rewriteEach(graph, viewed.outputs, (value, current) => {
        if (value.kind !== "operation") return undefined;
        // Other methods are of other operators, faster only in some releases of ONNX Runtime.
        return computeConvolution(graph, value, value.inputs.map(current), () => "channelsFirst");
      }),
    };
  });
  const { inputs, constants, outputs } = merged(plain, viewArrays(held, plain[0]!.views));
  const names = new Map([...constants].map(([constant, name]) => [constant, views.get(name) ?? name]));
  return serializeModel(inputs, outputs, { names, free, metadata });
}
