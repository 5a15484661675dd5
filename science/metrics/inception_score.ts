import { meanAndDeviation } from "./spread.ts";

/**
 * Computes the Inception Score of Salimans et al. 2016 (arXiv 1606.03498): exp of the mean KL divergence of p(y | x)
 * from the mean p(y), by splits in order, as in their code.
 *
 * @param logits [N, K] row-major, N at least the number of splits
 * @returns mean and standard deviation over the splits (n, as in their code)
 */
export function inceptionScore(
  logits: Float32Array | Float64Array,
  { classes, splits }: { readonly classes: number; readonly splits: number },
): { readonly mean: number; readonly deviation: number } {
  const count = logits.length / classes;
  const scores = Array.from({ length: splits }, (_, split) => {
    const [from, to] = [Math.floor(split * count / splits), Math.floor((split + 1) * count / splits)];
    return scoreOfSplit(logits.subarray(from * classes, to * classes), classes);
  });
  return meanAndDeviation(scores);
}

function scoreOfSplit(logits: Float32Array | Float64Array, classes: number): number {
  const count = logits.length / classes;
  const marginal = new Float64Array(classes);
  /** Negative entropy of p(y | x), averaged over images: the part of the KL divergences without the marginal. */
  let negativeEntropy = 0;
  for (let at = 0; at < logits.length; at += classes) {
    const row = logits.subarray(at, at + classes);
    let [most, total] = [-Infinity, 0];
    for (const logit of row) most = Math.max(most, logit);
    for (const logit of row) total += Math.exp(logit - most);
    for (let k = 0; k < classes; k++) {
      const log = row[k]! - most - Math.log(total);
      const probability = Math.exp(log);
      marginal[k]! += probability / count;
      if (probability > 0) negativeEntropy += probability * log / count;
    }
  }
  const marginalEntropy = marginal.reduce((sum, p) => p > 0 ? sum - p * Math.log(p) : sum, 0);
  return Math.exp(negativeEntropy + marginalEntropy);
}
