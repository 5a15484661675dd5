/** The metrics of which it is known which values are the best, by their names. */
const GOALS: readonly (readonly [name: RegExp, goal: "lowest" | "highest"])[] = [
  [
    /^(lowest |FID\b|FD-|KI?D\b|energy-distance|sliced-W|bits\/dim( of 16 bits)?$|L_simple$|(.*[ _./-])?loss$)/,
    "lowest",
  ],
  [/^(highest |precision|recall|IS\b|PSNR$|SSIM$)/, "highest"],
];

/** Returns which value of a metric is the best, if that is known. */
export function goalOf(metric: string): "lowest" | "highest" | undefined {
  return GOALS.find(([name]) => name.test(metric))?.[1];
}
