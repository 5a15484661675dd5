/** Nichol & Dhariwal 2021, section 3.2: no beta above this, or the chain has a singular step at its end. */
export const MAX_BETA = 0.999;

/** Range of the logistic curve that lucidrains/denoising-diffusion-pytorch takes by default; its tau is 1. */
const SIGMOID_START = -3;
const SIGMOID_END = 3;

/** Schedules that say what signal is left, and leave the betas to follow: float64 [T], at most `MAX_BETA`. */
function signalBetas(timesteps: number, signal: (i: number) => number): Float64Array {
  return Float64Array.from({ length: timesteps }, (_, t) => Math.min(1 - signal(t + 1) / signal(t), MAX_BETA));
}

/** A = cos^2((t / T + s) / (1 + s) pi / 2) up to a factor: Nichol & Dhariwal 2021, eq. 17. */
export function cosineBetas(timesteps: number, cosineS: number): Float64Array {
  return signalBetas(timesteps, (i) => Math.cos((i / timesteps + cosineS) / (1 + cosineS) * Math.PI / 2) ** 2);
}

/** A falls as a logistic curve from -3 to 3: Jabri et al. 2022 (arXiv 2212.11972), as in denoising-diffusion-pytorch. */
export function sigmoidBetas(timesteps: number): Float64Array {
  const end = logistic(SIGMOID_END);
  return signalBetas(
    timesteps,
    (i) => end - logistic(SIGMOID_START + i / timesteps * (SIGMOID_END - SIGMOID_START)),
  );
}

function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
