/**
 * The equations of the built-in samplers, from the time t to the next, s: x_t = alpha_t x_0 + sigma_t eps. Each is that
 * of the code in `science/diffusion/samplers/`.
 */
const STEPS: Readonly<Record<string, readonly [title: string, sentence: string, equation: string]>> = {
  ddim: [
    "DDIM",
    "DDIM (Song et al. 2021) then steps to a time s with less noise: it adds the predicted image and the predicted noise " +
    "in the proportions of that time, and if η is above 0, replaces a part ς of the noise by new noise z",
    "x_s = α_s x̂_0 + √(σ_s^2 − ς^2) ε̂ + ς z",
  ],
  "dpmpp-2m": [
    "DPM-Solver++(2M)",
    "DPM-Solver++ (Lu et al. 2022) then steps to a time s with less noise, towards an image D that continues the trend of " +
    "the last two predictions, where h is this step and h′ the last one, measured in λ = ln(α/σ)",
    "x_s = {σ_s|σ_t} x_t + α_s (1 − e^−h) D , D = x̂_0 + {h|2h′} (x̂_0 − x̂′_0)",
  ],
  heun: [
    "Heun",
    "Heun's method (Karras et al. 2022) then steps to a time s with less noise, predicts the noise there too, and takes " +
    "the step again along the mean of the two",
    "{x_s|α_s} = {x_t|α_t} + ({σ_s|α_s} − {σ_t|α_t}) {ε̂_t + ε̂_s|2}",
  ],
  ancestral: [
    "Ancestral (DDPM)",
    "Ancestral sampling (Ho et al. 2020) then steps to a time s with less noise: to the mean of the images from which xₜ " +
    "could have come by noise of variance β, plus new noise z of deviation ς",
    "x_s = {α_s β|σ_t^2} x̂_0 + {α_t σ_s^2|α_s σ_t^2} x_t + ς z",
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

const mathOf = (text: string, display: "inline" | "block") => `<math display="${display}">${rowOf(text)}</math>`;

/** Writes MathML of letters, indices (x_t), exponents (x^2), numbers, operators, roots √(…) and fractions {…|…}. */
function rowOf(text: string): string {
  const atom = (name: string): string => {
    if (name.startsWith("−") && name !== "−") return rowOf(`− ${name.slice(1)}`);
    const hat = /^(.)\u0302(′?)$/u.exec(name);
    if (hat !== null) return `<mover accent="true"><mi>${hat[1]}${hat[2]}</mi><mo stretchy="false">^</mo></mover>`;
    const kind = /^\p{L}/u.test(name) ? "mi" : /^\d/.test(name) ? "mn" : "mo";
    return `<${kind}>${name}</${kind}>`;
  };
  const plain = (part: string) =>
    Array.from(part.matchAll(/(\p{L}\p{M}?′?|\d+|[^\s\p{L}\d])(?:_(\p{L}|\d))?(?:\^(−?(?:\p{L}|\d)))?/gu), (found) => {
      const [, base, low, high] = found as unknown as [string, string, string?, string?];
      const kind = low === undefined ? high === undefined ? "mrow" : "msup" : high === undefined ? "msub" : "msubsup";
      return `<${kind}>${[base, low ?? [], high ?? []].flat().map(atom).join("")}</${kind}>`;
    }).join("");
  const parts = text.split(/(√\(.*?\)|\{.*?\})/).map((part) => {
    if (part.startsWith("√")) return `<msqrt>${plain(part.slice(2, -1))}</msqrt>`;
    if (part.startsWith("{")) return `<mfrac>${part.slice(1, -1).split("|").map(rowOf).join("")}</mfrac>`;
    return plain(part);
  });
  return `<mrow>${parts.join("")}</mrow>`;
}
