import { PIXEL_FEATURES, pixelFeatureDimension, pixelFeatures } from "../../metrics/features/pixels.ts";
import { frechetDistance } from "../../metrics/frechet.ts";
import { StreamingStatistics } from "../../metrics/statistics.ts";
import type { RunOf } from "../contract.ts";
import { failedBy } from "../shared/failed.ts";
import { readImages, type StoredImages } from "../shared/images.ts";
import { describeImageSet, writeMetrics } from "../shared/metrics.ts";
import { checkSets } from "./check.ts";
import type { scoreKind } from "./kind.ts";

/** Images whose features are in memory at once. */
const CHUNK = 1_000;

const run: RunOf<typeof scoreKind> = async ({ inputs, outputs, report }) => {
  const real = await readImages(inputs.real);
  const fake = await readImages(inputs.fake);
  const [problem] = checkSets({ real: factsOf(real), fake: factsOf(fake) });
  if (problem !== undefined) return failedBy(problem);

  const dimension = pixelFeatureDimension(real.info);
  const total = real.info.count + fake.info.count;
  const value = await frechetDistance(
    await statisticsOf(real, (done) => report({ done, total, unit: "image" })),
    await statisticsOf(fake, (done) => report({ done: real.info.count + done, total, unit: "image" })),
  );
  const count = Math.min(real.info.count, fake.info.count);
  // Fewer images than dimensions: the covariance is singular, and the distance mostly says how few images there are.
  const note = count > dimension
    ? undefined
    : `${count} images for ${dimension} dimensions: the value is biased upwards ` +
      "by far; compare it only with values of the same numbers of images";
  await writeMetrics(outputs.metrics, {
    seed: null,
    features: { name: PIXEL_FEATURES, dimension },
    images: {
      real: describeImageSet(inputs.real, real, real.info.count),
      fake: describeImageSet(inputs.fake, fake, fake.info.count),
    },
    metrics: [{ name: `FD-${PIXEL_FEATURES}`, value, count, ...(note === undefined ? {} : { note }) }],
  });
  return undefined;
};

export default run;

function factsOf({ info: { count, height, width, channels } }: StoredImages) {
  return { count, height, width, channels };
}

async function statisticsOf({ info, pixels }: StoredImages, onProgress: (done: number) => void) {
  const { count, height, width, channels } = info;
  const statistics = new StreamingStatistics(pixelFeatureDimension(info));
  for (let first = 0; first < count; first += CHUNK) {
    const size = Math.min(CHUNK, count - first);
    const area = height * width * channels;
    const data = pixels.subarray(first * area, (first + size) * area);
    await statistics.add(pixelFeatures({ count: size, height, width, channels, data }));
    onProgress(first + size);
  }
  return statistics.finish();
}
