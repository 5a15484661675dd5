import { openImages } from "../../artifacts/image_files.ts";
import type { Metric } from "../../artifacts/metrics.ts";
import type { InputArtifact } from "../../engine/contract/stage.ts";
import { LARGEST } from "../../science/diffusion/normalizer.ts";
import { LEAST_SSIM_SIDE, peakSignalToNoise, structuralSimilarity } from "../../science/metrics/similarity.ts";
import { meanAndDeviation } from "../../science/metrics/spread.ts";
import { range } from "../../science/metrics/vectors.ts";

/** Images that are compared together. */
const CHUNK = 256;

/** Compares each image with its reconstruction, the one of the same index. The check of the kind has compared them. */
export async function reconstructionScores(real: InputArtifact, fake: InputArtifact): Promise<Metric[]> {
  using images = await openImages(real);
  using others = await openImages(fake);
  const { count, height, width, channels } = images.info;
  const largest = LARGEST[images.dtype]!;
  const [psnr, ssim]: [number[], number[]] = [[], []];
  for (let first = 0; first < count; first += CHUNK) {
    const some = range(first, Math.min(CHUNK, count - first));
    const [a, b] = [images.rows(some), others.rows(some)];
    psnr.push(...peakSignalToNoise(a, b, some.length, largest));
    if (Math.min(height, width) < LEAST_SSIM_SIDE) continue;
    ssim.push(...structuralSimilarity(a, b, { count: some.length, height, width, channels }, largest));
  }
  const equal = psnr.filter((value) => value === Infinity).length;
  const finite = psnr.filter(Number.isFinite);
  const metric = (name: string, values: readonly number[], note: string): Metric[] => {
    const { mean, deviation } = meanAndDeviation(values);
    return values.length === 0 ? [] : [{ name, value: mean, deviation, count: values.length, note }];
  };
  const also = equal === 0 ? "" : `; without ${equal} equal images`;
  return [
    ...metric("PSNR", finite, `dB, range ${largest}; the deviation is over images (n)${also}`),
    ...metric("SSIM", ssim, `Gaussian window 11x11, sigma 1.5, range ${largest}; the deviation is over images (n)`),
  ];
}
