/**
 * The equations of the built-in samplers, from the time t to the next, s: x_t = alpha_t x_0 + sigma_t eps. Each is that
 * of the code in `diffusion/samplers/`.
 */
const STEPS: Readonly<Record<string, readonly [title: string, sentence: string, equation: string]>> = {
  ddim: [
    "DDIM",
    "DDIM (Song et al. 2021) then takes a step to a time s with less noise: it mixes the predicted image and the " +
    "predicted noise as that time wants them, and at η above 0 replaces a part of it, ς, by new noise z",
    "x_s = α_s x̂_0 + (σ_s^2 − ς^2)^½ ε̂ + ς z",
  ],
  "dpmpp-2m": [
    "DPM-Solver++(2M)",
    "DPM-Solver++ (Lu et al. 2022) then takes a step to a time s with less noise, towards D, which continues the trend " +
    "of the last two predicted images over the steps h of λ = ln(α/σ)",
    "x_s = σ_s / σ_t x_t + α_s (1 − e^−h) D , D = x̂_0 + h / 2h′ (x̂_0 − x̂′_0)",
  ],
  heun: [
    "Heun",
    "Heun's method (Karras et al. 2022) then takes a step to a time s with less noise twice, and follows the mean of the " +
    "noises predicted at both of its ends",
    "x_s / α_s = x_t / α_t + (σ_s / α_s − σ_t / α_t) (ε̂_t + ε̂_s) / 2",
  ],
  ancestral: [
    "Ancestral (DDPM)",
    "Ancestral sampling (Ho et al. 2020) then takes a step to a time s with less noise: to the mean of all images that " +
    "could have become x_t, plus new noise z",
    "x_s = α_s β / σ_t^2 x̂_0 + α_t σ_s^2 / (α_s σ_t^2) x_t + ς z",
  ],
};

/** Returns a sampler's name for people. @param name of a built-in one, or a file */
export const titleOf = (name: string): string => STEPS[name]?.[0] ?? name;

/** Explains a sampler in three sentences, with its equation in MathML. @param name as above */
export function explainSampler(name: string): string {
  const [, sentence, equation] = STEPS[name] ??
    [name, "From these, a sampler of the author's own finds images with less and less noise", "x_t = α_t x_0 + σ_t ε"];
  return `<p>Sampling begins with noise and nothing else. At each time t the network looks at the noisy image
    ${inline("x_t = α_t x_0 + σ_t ε")} and predicts the image ${inline("x̂_0")} in it, and so the noise ${inline("ε̂")}.
    ${sentence}:</p>${mathOf(equation, "block")}`;
}

const inline = (text: string) => mathOf(text, "inline");

/** Writes a formula in MathML: one-letter names with indices (x_t) and exponents (x^2), numbers and operators. */
function mathOf(text: string, display: "inline" | "block"): string {
  const atom = (name: string): string => {
    const kind = /^[\p{L}]/u.test(name) ? "mi" : /^[\d½]/.test(name) ? "mn" : "mo";
    return name.length > 1 && name.startsWith("−")
      ? `<mrow>${[...name].map(atom).join("")}</mrow>`
      : `<${kind}>${name}</${kind}>`;
  };
  const parts = text.matchAll(/(\p{L}\p{M}?′?|\d+|[^\s\p{L}\d])(?:_(\p{L}|\d))?(?:\^(−?(?:\p{L}|\d|½)))?/gu);
  const row = Array.from(
    parts,
    ([, base, low, high]) =>
      low === undefined && high === undefined
        ? atom(base!)
        : low === undefined
        ? `<msup>${atom(base!)}${atom(high!)}</msup>`
        : high === undefined
        ? `<msub>${atom(base!)}${atom(low)}</msub>`
        : `<msubsup>${atom(base!)}${atom(low)}${atom(high)}</msubsup>`,
  );
  return `<math display="${display}"><mrow>${row.join("")}</mrow></math>`;
}
