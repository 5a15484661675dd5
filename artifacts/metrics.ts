import { z } from "zod";
import type { InputArtifact, OutputArtifact } from "../engine/contract/stage.ts";
import type { ImageSet, MetricsToWrite } from "../schemas/types.ts";
import type { ImageReader } from "./image_files.ts";
import { readJson, writeJson } from "./record.ts";

export type { ImageSet, Metric, MetricsToWrite } from "../schemas/types.ts";

/** The set of images that a number was computed from. The digest identifies the set; the rest is for people. */
export const imageSetSchema = z.strictObject({
  /** Identity of the artifact's content. */
  digest: z.string(),
  /** Number of images that were used: the N of the number. */
  count: z.int().min(1),
  height: z.int().min(1),
  width: z.int().min(1),
  channels: z.int().min(1),
  /** Origin of the images: package, version, split and resize mode, or sampler, weights, training step and seed. */
  source: z.record(z.string(), z.unknown()),
});

/** One number, with everything that is needed to compare it with another. */
export const metricSchema = z.strictObject({
  name: z.string().min(1),
  value: z.number(),
  /** N, the number of images that the value was computed from; the size of the smaller set if two are compared. */
  count: z.int().min(1),
  /** Half-open range of timesteps [from, to) that the value covers; all timesteps when absent. */
  timesteps: z.strictObject({ from: z.int().min(0), to: z.int().min(1) }).optional(),
  /**
   * Standard deviation over subsets or splits (n) or by divisions (n - 1), as the note says. Not a confidence interval.
   */
  deviation: z.number().min(0).optional(),
  /**
   * Found in older records only, and shown nowhere: the interval held the true value less often than its level says.
   */
  interval: z.looseObject({}).optional(),
  /** The label that the value covers; all images when absent. */
  label: z.union([z.int().min(0), z.string()]).optional(),
  /** A caveat that a reader must know before trusting the value. */
  note: z.string().optional(),
});

/** `metrics.json` of an artifact of type `metrics`. */
export const metricsSchema = z.strictObject({
  format: z.literal(1),
  /** Seed of the random draws that the values depend on; null if they depend on none. */
  seed: z.int().nullable().default(null),
  /** The network that was measured. */
  model: z.strictObject({
    digest: z.string(),
    weights: z.string().min(1),
    step: z.int().min(0),
    parameters: z.int().min(1),
    schedule: z.record(z.string(), z.unknown()),
  }).optional(),
  /** The extractor that maps images to vectors, for distances between sets of images. */
  features: z.strictObject({
    name: z.string(),
    dimension: z.int().min(1),
    /** SHA-256 of the graph or the classifier that computes the features. */
    sha256: z.string().optional(),
    /** Preprocessing that brings images to the extractor's size and range. */
    preprocessing: z.record(z.string(), z.unknown()).optional(),
  }).optional(),
  /** The sets of images by role: `images`, or `real` and `fake`. */
  images: z.record(z.string(), imageSetSchema).default({}),
  metrics: z.array(metricSchema).min(1),
});

export type Metrics = z.output<typeof metricsSchema>;

const METRICS_FILE = "metrics.json";

/**
 * Write numbers as an artifact of type `metrics`, which commands and reports show.
 *
 * @throws FormatError for a record that readers would refuse, such as one with a value that is not finite
 */
export async function writeMetrics(output: OutputArtifact, metrics: MetricsToWrite): Promise<void> {
  await writeJson(output, METRICS_FILE, { format: 1, ...metrics }, metricsSchema);
}

/** @throws FormatError when the artifact's file is not that of `writeMetrics` */
export async function readMetrics(artifact: Pick<InputArtifact, "files" | "readText">): Promise<Metrics> {
  return await readJson(artifact, METRICS_FILE, metricsSchema);
}

export { readMetrics as validate };

/** Describes, for a metrics record, a set of images of which the first `count` were used. */
export function describeImageSet(artifact: InputArtifact, images: Pick<ImageReader, "info">, count: number): ImageSet {
  const { height, width, channels, source } = images.info;
  return { digest: artifact.digest, count, height, width, channels, source };
}
