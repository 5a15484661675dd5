import * as ort from "onnxruntime-node";
import { createSession } from "./session.ts";

/**
 * A graph of somebody else's, such as a feature extractor, to run on one float32 input.
 *
 * @throws Error when ONNX Runtime cannot load the model, or it has another number of inputs than one
 */
export async function openOnnxGraph(model: Uint8Array, { threads }: { readonly threads: number }) {
  const session = await createSession(model, threads);
  const [input, ...more] = session.inputNames;
  if (input === undefined || more.length > 0) {
    throw new Error(`the graph has ${session.inputNames.length} inputs (${session.inputNames.join(", ")}), wanted one`);
  }
  return {
    outputs: session.outputNames,
    /** @returns the outputs that are named, with their shapes */
    async run(data: Float32Array, shape: readonly number[], outputs: readonly string[]) {
      const results = await session.run({ [input]: new ort.Tensor("float32", data, shape) }, outputs);
      return Object.fromEntries(outputs.map((name) => {
        const { data, dims } = results[name]!;
        if (!(data instanceof Float32Array)) {
          throw new Error(`output ${name}: got ${results[name]!.type}, wanted float32`);
        }
        return [name, { data, shape: dims }];
      }));
    },
    release: () => session.release(),
  };
}
