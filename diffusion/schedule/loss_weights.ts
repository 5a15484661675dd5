/** What a network predicts: the noise, the image, or v = sqrt(A) eps - sqrt(1 - A) x_0 (Salimans & Ho 2022). */
export type PredictionTarget = "eps" | "x0" | "v";

/**
 * min-SNR weights of the loss of a network that predicts `target` (Hang et al. 2023): the loss of x_0 is weighted by
 * min(SNR, gamma), and those of eps and v so that they come to the same. Float64, as many as `snr`.
 *
 * @param snr A / (1 - A), each >= 0
 * @param gamma > 0; 5 in the paper
 */
export function minSnrWeights(
  snr: Float64Array,
  { target, gamma }: { readonly target: PredictionTarget; readonly gamma: number },
): Float64Array {
  if (!(gamma > 0)) throw new RangeError(`Gamma of the min-SNR weights: got ${gamma}, wanted a number > 0`);
  switch (target) {
    // min(SNR, gamma) / SNR, in the form that has a value where SNR is 0.
    case "eps":
      return snr.map((ratio) => Math.min(1, gamma / ratio));
    case "x0":
      return snr.map((ratio) => Math.min(ratio, gamma));
    case "v":
      return snr.map((ratio) => Math.min(ratio, gamma) / (ratio + 1));
  }
}
