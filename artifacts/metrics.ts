import { type ImageSet, type Metrics, metricsSchema, type MetricsToWrite } from "../schemas/metrics.ts";
import type { InputArtifact, OutputArtifact } from "../contract/stage.ts";
import { parseRecord, readJson } from "./record.ts";
import type { StoredImages } from "./images.ts";
import { jsonText } from "./json_text.ts";

export const METRICS_FILE = "metrics.json";

/**
 * Write numbers as an artifact of type `metrics`, which commands and reports show.
 *
 * @throws FormatError for a record that its readers would refuse, such as one with a value that is not finite
 */
export async function writeMetrics(output: OutputArtifact, metrics: MetricsToWrite): Promise<void> {
  await output.write(METRICS_FILE, jsonText(parseRecord(METRICS_FILE, { format: 1, ...metrics }, metricsSchema)));
}

/** @throws FormatError when the artifact's file is not that of `writeMetrics` */
export async function readMetrics(artifact: Pick<InputArtifact, "files" | "readText">): Promise<Metrics> {
  return await readJson(artifact, METRICS_FILE, metricsSchema);
}

/** What a record says about a set of images of which the first `count` were used. */
export function describeImageSet(artifact: InputArtifact, images: StoredImages, count: number): ImageSet {
  const { height, width, channels, source } = images.info;
  return { digest: artifact.digest, count, height, width, channels, source };
}
