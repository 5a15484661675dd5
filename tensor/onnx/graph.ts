import * as ort from "onnxruntime-node";
import { createSession } from "./session.ts";

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
