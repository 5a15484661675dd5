import { z } from "zod";
import { decodeNpz, encodeNpz } from "../../formats/npz.ts";
import { imageSetSchema } from "../../schemas/metrics.ts";
import type { FeatureStatistics } from "../../metrics/statistics.ts";
import type { InputArtifact, OutputArtifact } from "../contract.ts";
import { extractorSchema } from "./features_file.ts";
import { jsonText } from "./json_text.ts";

/** Artifact of type `statistics`: `statistics.npz` with `mu` [D] and `sigma` [D, D], as pytorch-fid's, and `statistics.json`. */
const ARRAYS_FILE = "statistics.npz";
const INFO_FILE = "statistics.json";

const infoSchema = z.strictObject({
  extractor: extractorSchema,
  count: z.int().min(2),
  images: imageSetSchema.nullable(),
});

export type StatisticsInfo = z.output<typeof infoSchema>;

export interface StoredStatistics {
  readonly info: StatisticsInfo;
  readonly statistics: FeatureStatistics;
}

export async function writeStatistics(output: OutputArtifact, { info, statistics }: StoredStatistics): Promise<void> {
  const { mean, covariance } = statistics;
  const size = mean.length;
  await output.write(
    ARRAYS_FILE,
    encodeNpz({ mu: { shape: [size], data: mean }, sigma: { shape: [size, size], data: covariance } }),
  );
  await output.write(INFO_FILE, jsonText(infoSchema.parse(info)));
}

/** @throws FormatError, ZodError or RangeError when the artifact's files are not those of `writeStatistics`. */
export async function readStatistics(artifact: InputArtifact): Promise<StoredStatistics> {
  const info = infoSchema.parse(JSON.parse(await artifact.readText(INFO_FILE)));
  return { info, statistics: { count: info.count, ...momentsOf(await artifact.read(ARRAYS_FILE)) } };
}

/** `mu` and `sigma` of a file of pytorch-fid or ours. @throws FormatError or RangeError where it is none */
export function momentsOf(bytes: Uint8Array): Pick<FeatureStatistics, "mean" | "covariance"> {
  const { mu, sigma } = decodeNpz(bytes);
  const size = mu?.shape[0] ?? 0;
  if (mu === undefined || sigma === undefined || mu.shape.length !== 1 || sigma.shape.join() !== [size, size].join()) {
    const got = `mu [${mu?.shape ?? "none"}] and sigma [${sigma?.shape ?? "none"}]`;
    throw new RangeError(`Statistics: got ${got}, wanted mu [D] and sigma [D, D]`);
  }
  return { mean: Float64Array.from(mu.data), covariance: Float64Array.from(sigma.data) };
}
