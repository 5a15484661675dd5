/**
 * onnxruntime-node copies each result into a new array, also one that was written into an array that it was given: of a
 * training step all weights and moments, a fifth of its time and half of its memory. It does so when all is computed, in
 * the order of the model's outputs, and gives up with certain words at one that is no tensor. So models begin their
 * outputs with an empty sequence. A version that can do with sequences, or that copies nothing, is none the worse for it.
 */
import type * as ort from "onnxruntime-node";

const NAME = "noiseline:no tensor";

/** `TensorProto.DataType.FLOAT`. */
const FLOAT = 1;

const GAVE_UP = "Non tensor type is temporarily not supported.";

/** Makes the output that is no tensor; for the nodes of an ONNX graph. */
export const NO_TENSOR_NODE = { opType: "SequenceEmpty", output: [NAME] };

/** What it is; for the outputs of the graph, before all others. */
export const NO_TENSOR_OUTPUT = {
  name: NAME,
  type: { sequenceType: { elemType: { tensorType: { elemType: FLOAT } } } },
};

/** Run a model that has such an output, writing all other results into the arrays that are given. */
export async function runWithoutCopies(
  session: ort.InferenceSession,
  feeds: ort.InferenceSession.FeedsType,
  results: Readonly<Record<string, ort.Tensor>>,
): Promise<void> {
  try {
    await session.run(feeds, { [NAME]: null, ...results });
  } catch (error) {
    if (!(error instanceof Error && error.message === GAVE_UP)) throw error;
  }
}
