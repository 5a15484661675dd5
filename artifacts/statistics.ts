import { z } from "zod";
import type { Facts, InputArtifact, OutputArtifact } from "../engine/contract/stage.ts";
import { FormatError } from "../science/formats/format_error.ts";
import type { NpyData } from "../science/formats/npy.ts";
import { decodeNpz, encodeNpz, namesInNpz } from "../science/formats/npz.ts";
import type { FeatureStatistics } from "../science/metrics/statistics.ts";
import { extractedFacts, extractorSchema } from "./features.ts";
import { imageSetSchema } from "./metrics.ts";
import { readBytes, readJson, writeJson } from "./record.ts";

/**
 * Artifact of type `statistics`: `statistics.npz` with `mu` [D] and `sigma` [D, D], as pytorch-fid writes, and
 * `statistics.json`.
 */
const ARRAYS_FILE = "statistics.npz";
const INFO_FILE = "statistics.json";

const infoSchema = z.strictObject({
  extractor: extractorSchema,
  count: z.int().min(2),
  images: imageSetSchema.nullable(),
});

type StatisticsInfo = z.output<typeof infoSchema>;

interface StoredStatistics {
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
  await writeJson(output, INFO_FILE, info, infoSchema);
}

/** @throws FormatError when the artifact's files are not those of `writeStatistics` */
export async function readStatistics(artifact: InputArtifact): Promise<StoredStatistics> {
  const info = await readJson(artifact, INFO_FILE, infoSchema);
  const statistics = await momentsOf(await readBytes(artifact, ARRAYS_FILE));
  const { name, dimension } = info.extractor;
  if (statistics.mean.length !== dimension) {
    const got = `${statistics.mean.length} means`;
    throw new FormatError(ARRAYS_FILE, { got, wanted: `${dimension}, as many as extractor "${name}" has features` });
  }
  return { info, statistics };
}

export { readStatistics as validate };

export async function facts(artifact: InputArtifact): Promise<Facts> {
  return {
    ...extractedFacts(await readJson(artifact, INFO_FILE, infoSchema)),
    vectors: false,
    logits: false,
    labels: false,
  };
}

const MAX_FEATURES = 16_384;
/** Larger than any float32 feature's mean or variance, and small enough for products of covariances. */
const LARGEST = 1e100;
const SYMMETRY = 1e-4;
/** Larger than the header of an npy file with one or two axes. */
const HEADER_BYTES = 4_096;

/**
 * Reads `mu` and `sigma` from a file of pytorch-fid or noiseline.
 * @throws FormatError if it is not such a file, or its values are impossible
 */
export async function momentsOf(bytes: Uint8Array): Promise<FeatureStatistics> {
  const maxFileBytes = (numbers: number) => HEADER_BYTES + numbers * Float64Array.BYTES_PER_ELEMENT;
  // `mu` is read first, since its length limits the size of `sigma`: a small file can unpack to more than the memory.
  const mu = await decodeNpz(bytes, "mu", maxFileBytes(MAX_FEATURES));
  const size = mu?.shape[0] ?? 0;
  const sigma = size <= MAX_FEATURES ? await decodeNpz(bytes, "sigma", maxFileBytes(size * size)) : undefined;
  if (!mu || !sigma || size === 0 || mu.shape.length !== 1 || sigma.shape.join() !== [size, size].join()) {
    const others = mu && sigma ? "" : ` among ${await namesInNpz(bytes)}`;
    const got = `mu [${mu?.shape ?? "none"}] and sigma [${sigma?.shape ?? "none"}]${others}`;
    const fix = "numpy.savez(file, mu=features.mean(0), sigma=numpy.cov(features, rowvar=False))";
    throw new FormatError("statistics", { got, wanted: `mu [D] and sigma [D, D], D from 1 to ${MAX_FEATURES}`, fix });
  }
  const asDoubles = (data: NpyData) => data instanceof Float64Array ? data : Float64Array.from(data);
  const [mean, covariance] = [asDoubles(mu.data), asDoubles(sigma.data)];
  const refuse = (name: string, place: number, wanted: string) => {
    const [values, columns] = name === "mu" ? [mean, 1] : [covariance, size];
    const row = Math.floor(place / columns);
    throw new FormatError(`statistics, row ${row} of ${name}`, { got: `${values[place]}`, wanted });
  };
  const large = (values: Float64Array) => values.findIndex((value) => !(Math.abs(value) <= LARGEST));
  if (large(mean) >= 0) refuse("mu", large(mean), "finite numbers, up to 1e100");
  if (large(covariance) >= 0) refuse("sigma", large(covariance), "finite numbers, up to 1e100");
  for (let i = 0; i < size; i++) {
    if (covariance[i * size + i]! < 0) refuse("sigma", i * size + i, "variances of 0 and more");
    for (let j = 0; j < i; j++) {
      const [below, above] = [covariance[i * size + j]!, covariance[j * size + i]!];
      // Programs that sum in float32 give matrices whose two halves differ in the last digits.
      const allowed = SYMMETRY * Math.max(covariance[i * size + i]!, covariance[j * size + j]!);
      if (Math.abs(below - above) > allowed) refuse("sigma", i * size + j, `${above}, as in row ${j}`);
      const most = Math.sqrt(covariance[i * size + i]! * covariance[j * size + j]!);
      if (Math.abs(below) > most + allowed) {
        refuse("sigma", i * size + j, `at most ${most}, by the variances of rows ${i} and ${j}`);
      }
    }
  }
  return { mean, covariance };
}
