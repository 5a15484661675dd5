import { z } from "zod";
import { decodeNpz, encodeNpz } from "../../formats/npz.ts";
import { FormatError } from "../../formats/format_error.ts";
import { firstNotFinite } from "../../metrics/vectors.ts";
import { imageSetSchema } from "../../schemas/metrics.ts";
import type { FeatureStatistics } from "../../metrics/statistics.ts";
import type { InputArtifact, OutputArtifact } from "../contract.ts";
import { fileOf, readJson } from "./artifact_record.ts";
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

/** @throws FormatError when the artifact's files are not those of `writeStatistics` */
export async function readStatistics(artifact: InputArtifact): Promise<StoredStatistics> {
  const info = await readJson(artifact, INFO_FILE, infoSchema);
  const moments = momentsOf(await artifact.read(fileOf(artifact, ARRAYS_FILE).path));
  const { name, dimension } = info.extractor;
  if (moments.mean.length !== dimension) {
    const got = `${moments.mean.length} means`;
    throw new FormatError(ARRAYS_FILE, { got, wanted: `${dimension}, as many as extractor "${name}" has features` });
  }
  return { info, statistics: { count: info.count, ...moments } };
}

/** `mu` and `sigma` of a file of pytorch-fid or ours. @throws FormatError where it is none, or not of finite numbers */
export function momentsOf(bytes: Uint8Array): Pick<FeatureStatistics, "mean" | "covariance"> {
  const { mu, sigma } = decodeNpz(bytes);
  const size = mu?.shape[0] ?? 0;
  if (mu === undefined || sigma === undefined || mu.shape.length !== 1 || sigma.shape.join() !== [size, size].join()) {
    const got = `mu [${mu?.shape ?? "none"}] and sigma [${sigma?.shape ?? "none"}]`;
    throw new FormatError("statistics", { got, wanted: "mu [D] and sigma [D, D]" });
  }
  const [mean, covariance] = [Float64Array.from(mu.data), Float64Array.from(sigma.data)];
  for (const [name, values] of [["mu", mean], ["sigma", covariance]] as const) {
    const bad = firstNotFinite(values);
    if (bad < 0) continue;
    const row = Math.floor(bad / (values.length / size));
    throw new FormatError(`statistics, row ${row} of ${name}`, { got: `${values[bad]}`, wanted: "finite numbers" });
  }
  return { mean, covariance };
}
