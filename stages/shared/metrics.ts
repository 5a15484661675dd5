import { type ImageSet, type Metrics, metricsSchema } from "../../schemas/metrics.ts";
import type { InputArtifact, OutputArtifact } from "../contract.ts";
import type { StoredImages } from "./images.ts";
import { jsonText } from "./json_text.ts";

export const METRICS_FILE = "metrics.json";

/** @throws ZodError for a record that its readers would refuse, such as one with a value that is not finite. */
export async function writeMetrics(output: OutputArtifact, metrics: Omit<Metrics, "format">): Promise<void> {
  await output.write(METRICS_FILE, jsonText(metricsSchema.parse({ format: 1, ...metrics })));
}

/** What a record says about a set of images of which the first `count` were used. */
export function describeImageSet(artifact: InputArtifact, images: StoredImages, count: number): ImageSet {
  const { height, width, channels, source } = images.info;
  return { digest: artifact.digest, count, height, width, channels, source };
}
