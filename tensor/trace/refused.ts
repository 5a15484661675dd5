/** Why kernels of TF.js have no translation, and what there is in their place. */
interface Refusal {
  readonly kernels: readonly string[];
  readonly reason: string;
  readonly fix: string;
}

const REFUSALS: readonly Refusal[] = [
  {
    kernels: ["Complex", "ComplexAbs", "Real", "Imag", "FFT", "IFFT"],
    reason: "complex numbers",
    fix: "compute real and imaginary parts as two tensors",
  },
  {
    kernels: ["CropAndResize", "Draw", "FlipLeftRight", "FromPixels", "RotateWithOffset", "Transform"],
    reason: "it works on pictures, without a gradient",
    fix: "use tf.slice, tf.reverse or tf.image.resizeBilinear, or prepare the images in a stage of their own",
  },
  {
    kernels: ["NonMaxSuppressionV3", "NonMaxSuppressionV4", "NonMaxSuppressionV5", "Unique"],
    reason: "the shape of its result depends on the data",
    fix: "use tf.where with a mask of a fixed shape",
  },
  {
    kernels: ["StaticRegexReplace", "StringNGrams", "StringSplit", "StringToHashBucketFast"],
    reason: "strings",
    fix: "turn them into numbers before",
  },
  {
    kernels: [
      "SparseFillEmptyRows",
      "SparseReshape",
      "SparseSegmentMean",
      "SparseSegmentSum",
      "SparseToDense",
      "RaggedGather",
      "RaggedRange",
      "RaggedTensorToTensor",
    ],
    reason: "sparse and ragged tensors",
    fix: "use dense tensors with a mask",
  },
  { kernels: ["Multinomial"], reason: "it draws other numbers in each run", fix: "make the noise an input" },
  {
    kernels: ["GatherNd", "ScatterNd", "TensorScatterUpdate"],
    reason: "it has no gradient",
    fix: "use tf.gather on a reshaped tensor, or a product with tf.oneHot",
  },
  {
    kernels: ["Bincount", "DenseBincount", "LowerBound", "SearchSorted", "TopK", "UpperBound"],
    reason: "it counts or sorts, without a gradient",
    fix: "use comparisons and sums, or tf.max and tf.argMax",
  },
  { kernels: ["Diag", "MatrixBandPart"], reason: "it has no gradient", fix: "multiply by tf.eye or another mask" },
  { kernels: ["MaxPoolWithArgmax"], reason: "it has no gradient", fix: "use tf.maxPool" },
  { kernels: ["BitwiseAnd"], reason: "bits of integers", fix: "use tf.logicalAnd" },
  {
    kernels: ["BroadcastArgs", "Pool", "LRNGrad", "ResizeBilinearGrad", "ResizeNearestNeighborGrad"],
    reason: "no op calls it here",
    fix: "call the op that it belongs to",
  },
];

/** By TF.js kernel name. */
export const REFUSED: ReadonlyMap<string, Omit<Refusal, "kernels">> = new Map(
  REFUSALS.flatMap(({ kernels, ...why }) => kernels.map((name) => [name, why] as const)),
);
