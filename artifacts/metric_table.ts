/** One metric, or a family of metrics whose names begin alike. */
interface KnownMetric {
  /** Matches the metric's name. */
  readonly pattern: RegExp;
  /** The name for people. */
  readonly name: string;
  /** A sentence without its full stop. */
  readonly meaning: string;
  /** Which values are better; undefined if neither are. */
  readonly best?: "lowest" | "highest";
  /** False for metrics that never head a page. */
  readonly heads?: false;
  /** The section of a page that tells it, if it is not that of scores. */
  readonly section?: "likelihood";
  /** Returns the caveat of a value of so few images over features of so many dimensions, which its note begins with. */
  readonly caveat?: (count: number, dimension: number) => string | undefined;
}

// With fewer images than dimensions the covariance is singular, and the distance mostly reflects the number of images.
const caveat = (count: number, dimension: number) =>
  count > dimension ? undefined : `${count} images for ${dimension} dimensions: the value is biased upwards by far; ` +
    "compare it only with values of the same numbers of images";

/** Makes a row of the table. */
type Row = (pattern: RegExp, name: string, meaning: string, more?: Partial<KnownMetric>) => KnownMetric;
const neither: Row = (pattern, name, meaning, more) => ({ pattern, name, meaning, ...more });
const lowest: Row = (...row) => ({ ...neither(...row), best: "lowest" });
const highest: Row = (...row) => ({ ...neither(...row), best: "highest" });

/**
 * The metrics whose meaning is known, in the order in which they head a page: how good samples are, then how well the
 * network knows images that it has not seen, then whether it copies.
 */
export const METRICS: readonly KnownMetric[] = [
  lowest(/^FID\b/, "FID", "Fréchet distance between Inception features of samples and of real images", { caveat }),
  lowest(/^FD-/, "FD-EXTRACTOR", "Fréchet distance between features of samples and of real images", { caveat }),
  lowest(
    /^(energy-distance|sliced-W)/,
    "energy-distance, sliced-W",
    "Distance between the samples and the real points, 0 for equal sets",
  ),
  lowest(/^KI?D\b/, "KID, KD", "Kernel distance between features of samples and of real images"),
  lowest(
    /^bits\/dim( of 16 bits)?$/,
    "bits/dim",
    "Bits for each pixel and channel that it takes to code a held-out image",
  ),
  lowest(/^L_simple$/, "L_simple", "The loss of training, on images that were held out", { section: "likelihood" }),
  highest(/^precision/, "precision", "Share of samples that lie among the real images, at most 1"),
  highest(/^recall/, "recall", "Share of real images that lie among the samples, at most 1"),
  highest(/^IS\b/, "IS", "Inception Score: how sure a classifier is of each sample, and how different the samples are"),
  highest(/^PSNR$/, "PSNR", "Peak signal to noise of reconstructions, in dB"),
  highest(/^SSIM$/, "SSIM", "Structural similarity of reconstructions and originals, at most 1"),
  neither(
    /^share of samples nearer/,
    "share of samples nearer …",
    "5% is what held-out images have; far more than that means copies",
  ),
  lowest(/^(.*[ _./-])?loss$/, "loss, NAME_loss", "A loss by its own name, such as a script logs it", { heads: false }),
  lowest(/^lowest /, "lowest …", "The lowest value of a figure that a training logged", { heads: false }),
  highest(/^highest /, "highest …", "The highest value of a figure that a training logged", { heads: false }),
];

/** Returns what is known of a metric. */
export function knownMetric(name: string): KnownMetric | undefined {
  return METRICS.find(({ pattern }) => pattern.test(name));
}

/** The words before the standard error of a bound, which has no place in its record but the end of its note. */
export const BEFORE_ERROR = "; standard error over images ";
