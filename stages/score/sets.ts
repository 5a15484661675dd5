import { type ExtractorInfo, openFeatures } from "../../artifacts/features.ts";
import { readImages } from "../../artifacts/images.ts";
import { describeImageSet, type ImageSet } from "../../artifacts/metrics.ts";
import { readStatistics } from "../../artifacts/statistics.ts";
import type { InputArtifact } from "../../contract/stage.ts";
import { PIXEL_FEATURES, pixelFeatureDimension, pixelFeatures } from "../../metrics/features/pixels.ts";
import type { MatrixProducts } from "../../metrics/linear/matrix.ts";
import { type FeatureStatistics, StreamingStatistics } from "../../metrics/statistics.ts";
import { type FeatureVectors, range, vectorsOf } from "../../metrics/vectors.ts";

/** One side of a comparison, however much of it is known. */
export interface ScoredSet {
  readonly extractor: ExtractorInfo;
  readonly count: number;
  /** Undefined for statistics that came without a word of their images. */
  readonly images: ImageSet | undefined;
  /** Undefined where only statistics are known. */
  readonly vectors: FeatureVectors | undefined;
  readonly logits: { readonly data: Float32Array; readonly classes: number } | undefined;
  readonly labels: Uint8Array | undefined;
  statistics(products: MatrixProducts): Promise<FeatureStatistics>;
  close(): void;
}

/** What not every input tells, and nothing to close. */
const UNKNOWN = { vectors: undefined, logits: undefined, labels: undefined, close: () => {} };

/** Vectors in memory at once. */
const CHUNK = 2_048;

export async function openSet(artifact: InputArtifact): Promise<ScoredSet> {
  if (artifact.type === "statistics") return await statisticsSet(artifact);
  if (artifact.type === "features") return await featuresSet(artifact);
  return await imagesSet(artifact);
}

/** Mean and covariance of some of the vectors, by index. */
export async function statisticsOf(
  vectors: FeatureVectors,
  indices: Int32Array,
  products: MatrixProducts,
): Promise<FeatureStatistics> {
  const streaming = new StreamingStatistics(vectors.dimension, products);
  for (let first = 0; first < indices.length; first += CHUNK) {
    await streaming.add(await vectors.rows(indices.subarray(first, first + CHUNK)));
  }
  return streaming.finish();
}

async function statisticsSet(artifact: InputArtifact): Promise<ScoredSet> {
  const { info, statistics } = await readStatistics(artifact);
  return {
    extractor: info.extractor,
    count: info.count,
    images: info.images ?? undefined,
    ...UNKNOWN,
    statistics: () => Promise.resolve(statistics),
  };
}

async function featuresSet(artifact: InputArtifact): Promise<ScoredSet> {
  const { info, vectors, logits, labels, close } = await openFeatures(artifact);
  return {
    extractor: info.extractor,
    count: info.count,
    images: info.images,
    vectors,
    logits: logits === undefined ? undefined : { data: logits, classes: info.logits! },
    labels,
    statistics: (products) => statisticsOf(vectors, range(0, vectors.count), products),
    close,
  };
}

async function imagesSet(artifact: InputArtifact): Promise<ScoredSet> {
  const images = await readImages(artifact);
  const { count, height, width, channels } = images.info;
  const dimension = pixelFeatureDimension(images.info);
  const vectors = vectorsOf(pixelFeatures({ count, height, width, channels, data: images.pixels }), dimension);
  return {
    ...UNKNOWN,
    extractor: { name: PIXEL_FEATURES, sha256: null, dimension, preprocessing: {} },
    count,
    images: describeImageSet(artifact, images, count),
    vectors,
    labels: images.labels,
    statistics: (products) => statisticsOf(vectors, range(0, count), products),
  };
}
