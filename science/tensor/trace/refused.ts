/** Kernels of TF.js without a translation, the reason, and what to use instead. */
const REFUSALS: readonly (readonly [kernels: string, reason: string, fix: string])[] = [
  ["Complex ComplexAbs Real Imag FFT IFFT", "complex numbers", "compute real and imaginary parts as two tensors"],
  ["CropAndResize Draw FlipLeftRight FromPixels RotateWithOffset Transform", "pictures", "use tf.slice or tf.reverse"],
  ["NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5 Unique", "the data decides the shape", "use a mask"],
  ["StaticRegexReplace StringNGrams StringSplit StringToHashBucketFast", "strings", "turn them into numbers before"],
  ["SparseFillEmptyRows SparseReshape SparseSegmentMean SparseSegmentSum", "sparse tensors", "use a mask"],
  ["RaggedGather RaggedRange RaggedTensorToTensor SparseToDense", "sparse tensors", "use a mask"],
  ["Multinomial", "it draws other numbers in each run", "make the noise an input"],
  ["GatherNd ScatterNd TensorScatterUpdate", "it has no gradient", "use tf.gather, or a product with tf.oneHot"],
  ["Bincount DenseBincount LowerBound SearchSorted TopK UpperBound", "it has no gradient", "use tf.less and tf.max"],
  ["BitwiseAnd BroadcastArgs Diag MatrixBandPart Pool", "it has no gradient", "multiply by a mask that is an input"],
  ["DepthToSpace", "it has no gradient", "use tf.reshape and tf.transpose"],
  ["LinSpace", "it has no gradient", "use tf.range"],
  ["MaxPoolWithArgmax", "it has no gradient", "use tf.maxPool"],
  [
    "FusedConv2D FusedDepthwiseConv2D _FusedMatMul",
    "it lacks gradients",
    "use the plain op, tf.add and the activation",
  ],
  // Here TF.js's wasm reads negative numbers as the smallest positive one, and no user has reported it.
  ["Dilation2D Dilation2DBackpropInput Dilation2DBackpropFilter", "no device needs it yet", "use tf.maxPool"],
  ["LRNGrad ResizeBilinearGrad ResizeNearestNeighborGrad", "its op has another gradient here", "call the op"],
];

/** Refusals by name of the kernel. */
export const REFUSED: ReadonlyMap<string, { readonly reason: string; readonly fix: string }> = new Map(
  REFUSALS.flatMap(([kernels, reason, fix]) => kernels.split(" ").map((name) => [name, { reason, fix }] as const)),
);
