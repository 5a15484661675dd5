import { type ExtractorInfo, openFeatures, pixelForm, pixelPreprocessing } from "../../artifacts/features.ts";
import { type ImageReader, type LabelNumbers, openImages } from "../../artifacts/image_files.ts";
import { classNamesOf, labelNumber } from "../../artifacts/labels.ts";
import { knownMetric } from "../../artifacts/metric_table.ts";
import { describeImageSet, type ImageSet, type Metric } from "../../artifacts/metrics.ts";
import { readStatistics } from "../../artifacts/statistics.ts";
import type { InputArtifact } from "../../engine/contract/stage.ts";
import { mapBetween, normalize, type ValueForm } from "../../science/diffusion/normalizer.ts";
import { extrapolationCounts, fitLine, subsampledDeviation } from "../../science/metrics/spread.ts";
import { PIXEL_FEATURES, pixelFeatureDimension, pixelFeatures } from "../../science/metrics/features/pixels.ts";
import { frechetDistance } from "../../science/metrics/frechet.ts";
import { inceptionScore } from "../../science/metrics/inception_score.ts";
import { kernelDistanceOfSubsets } from "../../science/metrics/kernel_distance.ts";
import type { MatrixProducts } from "../../science/tensor/matrix.ts";
import { manifoldFigures } from "../../science/metrics/manifold.ts";
import { chunksOf, type FeatureStatistics, statisticsOf } from "../../science/metrics/statistics.ts";
import { type FeatureVectors, range } from "../../science/metrics/vectors.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { randomStream } from "../../science/tensor/mod.ts";
import { isInception } from "../shared/inception.ts";
import { isOfVectors, type ScoreParams } from "./params.ts";
import { vectorScores } from "./vectors.ts";

interface ScoreOptions {
  readonly params: ScoreParams;
  readonly seed: number;
  readonly products: MatrixProducts;
  /** Called before each score, and while one is computed. */
  readonly onProgress: (figure: string, share: number) => void;
  /** Called if no class has a distance of its own, with the reason. */
  readonly onNoClass: (why: string) => void;
}

interface Sets {
  readonly real: ScoredSet;
  readonly fake: ScoredSet;
}

/**
 * Names a distance. Only over the network that defines it does a distance have its own name, such as FID; else it is
 * named after the extractor.
 */
export function distanceName(sets: readonly Parameters<typeof isInception>[0][], own: string, other: string): string {
  return sets.every(isInception) ? own : `${other}-${sets[0]!.extractor.name}`;
}

const frechetName = ({ real, fake }: Sets) => distanceName([real, fake], "FID", "FD");

/** Computes all scores that the params request. */
export async function scoreSets(sets: Sets, options: ScoreOptions): Promise<Metric[]> {
  const { params } = options;
  const metrics: Metric[] = [];
  if (params.fd) metrics.push(await frechetFigure(sets, options));
  if (params.fdInfinity) metrics.push(await extrapolatedFigure(sets, options));
  if (params.kid !== undefined) metrics.push(await kernelFigure(sets, params.kid, options));
  if (params.manifold !== undefined) metrics.push(...await manifoldMetrics(sets, params.manifold, options));
  if (params.inceptionScore !== undefined) {
    const { data, classes } = sets.fake.logits!;
    const { mean, deviation } = inceptionScore(data, { classes, ...params.inceptionScore });
    const note = `${params.inceptionScore.splits} splits in order; the deviation is over splits (n)`;
    metrics.push({ name: distanceName([sets.fake], "IS", "IS"), value: mean, deviation, count: sets.fake.count, note });
  }
  if (params.perClass) metrics.push(...await classFigures(sets, options));
  const { real: { points }, fake } = sets;
  if (points && fake.points) metrics.push(...vectorScores(points, fake.points, options.seed));
  return metrics;
}

async function frechetFigure({ real, fake }: Sets, { params, seed, products, onProgress }: ScoreOptions) {
  onProgress("fd", 0);
  const value = await distanceOf({ real, fake }, products);
  const { dimension } = real.extractor;
  const count = Math.min(real.count, fake.count);
  const name = frechetName({ real, fake });
  const caveat = knownMetric(name)?.caveat?.(count, dimension);
  const notes = caveat === undefined ? [] : [caveat];
  if (real.extractor.name === PIXEL_FEATURES && (real.form && fake.form) === undefined) {
    notes.push("a file of mu and sigma does not say its normaliser: the value holds if both sets have the same");
  }
  let deviation: number | undefined;
  if (params.bootstrap > 0) {
    const draws = randomStream({ seed, stream: "score/bootstrap" });
    const shuffle = (time: number) =>
      [real, fake].map((set, side) => draws.permutation(2 * time + side, set.vectors!.count));
    const distance = (some: Int32Array, others: Int32Array) => distanceOf({ real, fake }, products, [some, others]);
    const onTime = (done: number) => onProgress("bootstrap", done / params.bootstrap);
    deviation = await subsampledDeviation(shuffle, distance, { times: params.bootstrap, onTime });
    notes.push(`the deviation is by ${params.bootstrap} divisions of both sets, and says nothing of the bias`);
  }
  const note = notes.join("; ") || undefined;
  return { name, value, count, ...definedOnly({ deviation, note }) };
}

async function extrapolatedFigure({ real, fake }: Sets, { seed, products, onProgress }: ScoreOptions) {
  const reference = await statisticsOfSome(real, products);
  const order = randomStream({ seed, stream: "score/extrapolate" });
  const counts = extrapolationCounts(fake.count, Math.min(fake.count, real.extractor.dimension + 1));
  const points: { x: number; y: number }[] = [];
  for (const [i, count] of counts.entries()) {
    const chosen = order.permutation(i, fake.count).slice(0, count).sort();
    const some = await statisticsOfSome(fake, products, chosen);
    points.push({ x: 1 / count, y: await frechetDistance(reference, some, products) });
    onProgress("fdInfinity", (i + 1) / counts.length);
  }
  const about = { name: `${frechetName({ real, fake })}-infinity`, count: fake.count };
  if (counts.length < 3) {
    return { ...about, value: points.at(-1)!.y, note: "too few images to extrapolate; the distance itself" };
  }
  const { intercept, interceptError } = fitLine(points);
  const note = "Chong & Forsyth 2020: a line through distances over 1/N; the real set stays as large as it is";
  return { ...about, value: intercept, deviation: interceptError, note };
}

async function kernelFigure(
  { real, fake }: Sets,
  { subsets, size }: NonNullable<ScoreParams["kid"]>,
  { seed, products, onProgress }: ScoreOptions,
): Promise<Metric> {
  const choose = (set: keyof Sets, vectors: FeatureVectors) => {
    const stream = randomStream({ seed, stream: `score/kid-${set}` });
    // Indices are sorted: the kernel distance does not depend on the order, and reading in the order of the file is
    // faster.
    const subsetOf = (_: unknown, subset: number) => stream.permutation(subset, vectors.count).slice(0, size).sort();
    return { vectors, subsets: Array.from({ length: subsets }, subsetOf) };
  };
  const [a, b] = [choose("real", real.vectors!), choose("fake", fake.vectors!)];
  const { mean, deviation } = await kernelDistanceOfSubsets(a, b, products, (share) => onProgress("kid", share));
  const note = `cubic kernel, unbiased; ${subsets} subsets of ${size}; the deviation is over subsets (n)`;
  const count = Math.min(real.count, fake.count);
  return { name: distanceName([real, fake], "KID", "KD"), value: mean, deviation, count, note };
}

async function manifoldMetrics(
  { real, fake }: Sets,
  { neighbours, limit }: NonNullable<ScoreParams["manifold"]>,
  { products, onProgress }: ScoreOptions,
): Promise<Metric[]> {
  const first = (vectors: FeatureVectors) => ({ ...vectors, count: Math.min(vectors.count, limit) });
  const [a, b] = [first(real.vectors!), first(fake.vectors!)];
  const onBlock = (share: number) => onProgress("manifold", share);
  const figures = await manifoldFigures(a, b, { k: neighbours, products, onBlock });
  const note = `${a.count} real and ${b.count} fake, ${neighbours} nearest neighbours`;
  return (["precision", "recall", "density", "coverage"] as const).map((figure) => ({
    name: `${figure}-${real.extractor.name}`,
    value: figures[figure],
    count: Math.min(a.count, b.count),
    note,
  }));
}

async function classFigures(
  { real, fake }: Sets,
  { products, onProgress, onNoClass }: ScoreOptions,
): Promise<Metric[]> {
  const [names, others] = [real, fake].map(({ images }) => classNamesOf(images?.source ?? {}));
  // The number of a class depends on which other classes its set has.
  const fakeNumber = (label: number) => {
    const name = others && names?.[label];
    return name === undefined ? label : labelNumber(name, { classes: others!.length, classNames: others }) ?? -1;
  };
  const note = names && others ? {} : { note: "classes are matched by number: a set does not name its classes" };
  const labels = [...new Set(real.labels)].sort((a, b) => a - b);
  const metrics: Metric[] = [];
  for (const [i, label] of labels.entries()) {
    const of = (all: LabelNumbers, label: number) => range(0, all.length).filter((index) => all[index] === label);
    const [a, b] = [of(real.labels!, label), of(fake.labels!, fakeNumber(label))];
    if (Math.min(a.length, b.length) < 2) continue;
    const value = await distanceOf({ real, fake }, products, [a, b]);
    const count = Math.min(a.length, b.length);
    metrics.push({ name: frechetName({ real, fake }), value, count, label: names?.[label] ?? label, ...note });
    onProgress("perClass", (i + 1) / labels.length);
  }
  if (metrics.length > 0) return metrics;
  const drawn = new Set(fake.labels);
  const list = (all: Iterable<number>, own: readonly string[] | undefined) =>
    Array.from(all, (label) => own?.[label] ?? label).slice(0, MOST_CLASSES + 1)
      .map((name, i) => i < MOST_CLASSES ? name : "…").join(", ");
  const isShared = labels.some((label) => drawn.has(fakeNumber(label)));
  const both = `the real ones are ${list(labels, names)}; the fake ones ${
    list([...drawn].sort((a, b) => a - b), others)
  }`;
  onNoClass(isShared ? "no class has two images in both sets" : `the sets share no class: ${both}`);
  return [];
}

/** The most classes of a set that a message names. */
const MOST_CLASSES = 12;

/** One side of a comparison, as images, features or statistics. */
interface ScoredSet {
  readonly extractor: ExtractorInfo;
  readonly count: number;
  /** Undefined for statistics without information about their images. */
  readonly images: ImageSet | undefined;
  /** Undefined if only statistics are known. */
  readonly vectors?: FeatureVectors;
  /** Undefined if there are vectors. */
  readonly statistics?: FeatureStatistics;
  readonly logits?: { readonly data: Float32Array; readonly classes: number } | undefined;
  readonly labels?: LabelNumbers | undefined;
  /** Images that are compared as points as well. */
  readonly points?: ImageReader | undefined;
  /** Form of the images, whose normaliser maps to the features; undefined if not known, and if these are no pixels. */
  readonly form?: ValueForm | undefined;
}

/**
 * Opens a set. Pixels are mapped to features by one normaliser for both sets, that of the real one.
 * @param opened collects resources to be closed @param real undefined for the real set itself
 */
export async function openSet(artifact: InputArtifact, opened: DisposableStack, real?: ScoredSet): Promise<ScoredSet> {
  if (artifact.type === "statistics") {
    const { info: { extractor, count, images }, statistics } = await readStatistics(artifact);
    return remapped({ extractor, count, images: images ?? undefined, statistics, form: pixelForm(extractor) }, real);
  }
  if (artifact.type === "features") {
    const { info, logits: data, vectors, labels } = opened.use(await openFeatures(artifact));
    const { extractor, count, images, logits: classes } = info;
    const logits = data && { data, classes: classes! };
    return remapped({ extractor, count, images, logits, vectors, labels, form: pixelForm(extractor) }, real);
  }
  const images = opened.use(await openImages(artifact));
  const { info: { count, height, width, channels } } = images;
  const form = real?.form ?? images;
  const dimension = pixelFeatureDimension(images.info);
  // deno-lint-ignore require-await -- others read from a file
  const rows = async (indices: ArrayLike<number>) =>
    pixelFeatures({ count: indices.length, height, width, channels, data: images.rows(indices) }, form.normalizer);
  return {
    extractor: { name: PIXEL_FEATURES, sha256: null, dimension, preprocessing: pixelPreprocessing(form) },
    count,
    images: describeImageSet(artifact, images, count),
    vectors: { count, dimension, rows },
    labels: images.labels,
    points: isOfVectors(images.info) ? images : undefined,
    form,
  };
}

/** Returns pixels that were mapped by the normaliser of their own images as that of the real images maps them. */
function remapped(set: ScoredSet, real: ScoredSet | undefined): ScoredSet {
  const map = real?.form && set.form && mapBetween(set.form.normalizer, real.form.normalizer);
  if (map === undefined) return set;
  const inPlace = <V extends Float32Array | Float64Array>(values: V) => (normalize(values, values, map), values);
  const scaleAt = (i: number) => map.scale[i % map.scale.length]!;
  const size = set.extractor.dimension;
  const vectors = set.vectors && {
    ...set.vectors,
    rows: async (indices: ArrayLike<number>) => inPlace(await set.vectors!.rows(indices)),
  };
  const statistics = set.statistics && {
    mean: inPlace(set.statistics.mean),
    covariance: set.statistics.covariance.map((v, at) => v / scaleAt(Math.floor(at / size)) / scaleAt(at % size)),
  };
  return { ...set, ...definedOnly({ vectors, statistics }) };
}

/** Computes mean and covariance of a set, or of some of its vectors, by index. */
async function statisticsOfSome({ vectors, statistics }: ScoredSet, products: MatrixProducts, some?: Int32Array) {
  if (some === undefined && statistics !== undefined) return statistics;
  const indices = some ?? range(0, vectors!.count);
  return await statisticsOf(chunksOf(vectors!, indices), vectors!.dimension, products);
}

/** Computes the Frechet distance between two sets, or between some of the vectors of each. */
async function distanceOf({ real, fake }: Sets, products: MatrixProducts, [a, b]: readonly Int32Array[] = []) {
  const moments = await statisticsOfSome(real, products, a);
  return await frechetDistance(moments, await statisticsOfSome(fake, products, b), products);
}
