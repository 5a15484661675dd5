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
const fewImages = (count: number, dimension: number) =>
  count > dimension ? undefined : `${count} images for ${dimension} dimensions: the value is biased upwards by far; ` +
    "compare it only with values of the same numbers of images";

/**
 * The metrics whose meaning is known, in the order in which they head a page: how good samples are, then how well the
 * network knows images that it has not seen, then whether it copies.
 */
export const METRICS: readonly KnownMetric[] = [
  {
    pattern: /^FID\b/,
    name: "FID",
    meaning: "Fréchet distance between Inception features of samples and of real images",
    best: "lowest",
    caveat: fewImages,
  },
  {
    pattern: /^FD-/,
    name: "FD-EXTRACTOR",
    meaning: "Fréchet distance between features of samples and of real images",
    best: "lowest",
    caveat: fewImages,
  },
  {
    pattern: /^(energy-distance|sliced-W)/,
    name: "energy-distance, sliced-W",
    meaning: "Distance between the samples and the real points, 0 for equal sets",
    best: "lowest",
  },
  {
    pattern: /^KI?D\b/,
    name: "KID, KD",
    meaning: "Kernel distance between features of samples and of real images",
    best: "lowest",
  },
  {
    pattern: /^bits\/dim( of 16 bits)?$/,
    name: "bits/dim",
    meaning: "Bits for each pixel and channel that it takes to code a held-out image",
    best: "lowest",
  },
  {
    pattern: /^L_simple$/,
    name: "L_simple",
    meaning: "The loss of training, on images that were held out",
    best: "lowest",
    section: "likelihood",
  },
  {
    pattern: /^precision/,
    name: "precision",
    meaning: "Share of samples that lie among the real images, at most 1",
    best: "highest",
  },
  {
    pattern: /^recall/,
    name: "recall",
    meaning: "Share of real images that lie among the samples, at most 1",
    best: "highest",
  },
  {
    pattern: /^IS\b/,
    name: "IS",
    meaning: "Inception Score: how sure a classifier is of each sample, and how different the samples are",
    best: "highest",
  },
  {
    pattern: /^PSNR$/,
    name: "PSNR",
    meaning: "Peak signal to noise of reconstructions, in dB",
    best: "highest",
  },
  {
    pattern: /^SSIM$/,
    name: "SSIM",
    meaning: "Structural similarity of reconstructions and originals, at most 1",
    best: "highest",
  },
  {
    pattern: /^share of samples nearer/,
    name: "share of samples nearer …",
    meaning: "5% is what held-out images have; far more than that means copies",
  },
  {
    pattern: /^(.*[ _./-])?loss$/,
    name: "loss, NAME_loss",
    meaning: "A loss by its own name, such as a script logs it",
    best: "lowest",
    heads: false,
  },
  {
    pattern: /^lowest /,
    name: "lowest …",
    meaning: "The lowest value of a figure that a training logged",
    best: "lowest",
    heads: false,
  },
  {
    pattern: /^highest /,
    name: "highest …",
    meaning: "The highest value of a figure that a training logged",
    best: "highest",
    heads: false,
  },
];

/** Returns what is known of a metric. */
export function knownMetric(name: string): KnownMetric | undefined {
  return METRICS.find(({ pattern }) => pattern.test(name));
}

/** The words before the standard error of a bound, which has no place in its record but the end of its note. */
export const BEFORE_ERROR = "; standard error over images ";
