/**
 * onnxruntime-node copies each result into a new array, even one that was written into an array that the caller gave:
 * in a training step all weights and moments, a fifth of the step's time and half of its memory. It copies after
 * everything is computed, in the order of the model's outputs, and fails with a certain message at an output that is
 * not a tensor. So models here have an empty sequence as their first output. The trick does no harm with a version that
 * supports sequences, or that copies nothing.
 */
import type * as ort from "onnxruntime-node";

const NAME = "noiseline:no tensor";

/** `TensorProto.DataType.FLOAT`. */
const FLOAT = 1;

const GAVE_UP = "Non tensor type is temporarily not supported.";

/** The node of an ONNX graph that makes the output that is not a tensor. */
export const NO_TENSOR_NODE = { opType: "SequenceEmpty", output: [NAME] };

/** The declaration of that output, which must be the first of the graph's outputs. */
export const NO_TENSOR_OUTPUT = {
  name: NAME,
  type: { sequenceType: { elemType: { tensorType: { elemType: FLOAT } } } },
};

/** Runs a model that has such an output, and writes all other results into the given arrays. */
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
