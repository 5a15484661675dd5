import type { ScheduleName } from "./names.ts";
import { rescaleZeroTerminalSnr } from "./zero_terminal_snr.ts";

export interface ScheduleShape {
  readonly name: ScheduleName;
  /** First beta, in (0, 1); its square root under `ldm/sqrt`. `endsOf` says who uses it. Default 1e-4. */
  readonly linearStart?: number;
  /** Last beta, in (0, 1); its square root under `ldm/sqrt`. `endsOf` says who uses it. Default 2e-2. */
  readonly linearEnd?: number;
  /** Offset s >= 0 of `ldm/cosine` (Nichol & Dhariwal 2021, eq. 17). Default 8e-3. */
  readonly cosineS?: number;
  /** Rescale the finished schedule to end in pure noise (Lin et al. 2023). Default false. */
  readonly zeroTerminalSnr?: boolean;
}

export interface ScheduleSpec extends ScheduleShape {
  /** T, the number of diffusion steps; an integer >= 1. */
  readonly timesteps: number;
}

/**
 * The betas of a schedule: float64 [T], each in (0, 1); the last is 1 under `ho/jsd` and with `zeroTerminalSnr`.
 */
export function makeBetas(spec: ScheduleSpec): Float64Array {
  const betas = namedBetas({ linearStart: 1e-4, linearEnd: 2e-2, cosineS: 8e-3, ...spec });
  return spec.zeroTerminalSnr === true ? rescaleZeroTerminalSnr(betas) : betas;
}

type FullSpec = Required<Omit<ScheduleSpec, "zeroTerminalSnr">>;

function namedBetas({ name, timesteps, linearStart, linearEnd, cosineS }: FullSpec): Float64Array {
  /** Linear in beta over the first fraction of the chain, then constant. */
  const warmup = (fraction: number) => {
    const betas = new Float64Array(timesteps).fill(linearEnd);
    betas.set(linspace(linearStart, linearEnd, Math.trunc(timesteps * fraction)));
    return betas;
  };
  switch (name) {
    case "ldm/linear":
    case "ho/quad":
      return linspace(Math.sqrt(linearStart), Math.sqrt(linearEnd), timesteps).map((root) => root * root);
    case "ldm/sqrt_linear":
    case "ho/linear":
      return linspace(linearStart, linearEnd, timesteps);
    case "ldm/sqrt":
      return linspace(linearStart, linearEnd, timesteps).map(Math.sqrt);
    case "ldm/cosine":
      return cosineBetas(timesteps, cosineS);
    case "ho/warmup10":
      return warmup(0.1);
    case "ho/warmup50":
      return warmup(0.5);
    case "ho/const":
      return new Float64Array(timesteps).fill(linearEnd);
    case "ho/jsd":
      return Float64Array.from({ length: timesteps }, (_, t) => 1 / (timesteps - t));
    case "sigmoid":
      return sigmoidBetas(timesteps);
  }
}

/** Counts from the nearer end, as torch.linspace does: both ends are exact. One point is the start. */
function linspace(start: number, end: number, count: number): Float64Array {
  const step = count > 1 ? (end - start) / (count - 1) : 0;
  return Float64Array.from(
    { length: count },
    (_, i) => i < count / 2 ? start + step * i : end - step * (count - 1 - i),
  );
}

/** Nichol & Dhariwal 2021, section 3.2: no beta above this, or the chain has a singular step at its end. */
const MAX_BETA = 0.999;

/** Range of the logistic curve that lucidrains/denoising-diffusion-pytorch takes by default; its tau is 1. */
const SIGMOID_START = -3;
const SIGMOID_END = 3;

/** Schedules that say what signal is left, and leave the betas to follow: float64 [T], at most `MAX_BETA`. */
function signalBetas(timesteps: number, signal: (i: number) => number): Float64Array {
  return Float64Array.from({ length: timesteps }, (_, t) => Math.min(1 - signal(t + 1) / signal(t), MAX_BETA));
}

/** A = cos^2((t / T + s) / (1 + s) pi / 2) up to a factor: Nichol & Dhariwal 2021, eq. 17. */
function cosineBetas(timesteps: number, cosineS: number): Float64Array {
  return signalBetas(timesteps, (i) => Math.cos((i / timesteps + cosineS) / (1 + cosineS) * Math.PI / 2) ** 2);
}

/** A falls as a logistic curve from -3 to 3: Jabri et al. 2022 (arXiv 2212.11972), as in denoising-diffusion-pytorch. */
function sigmoidBetas(timesteps: number): Float64Array {
  const end = logistic(SIGMOID_END);
  return signalBetas(
    timesteps,
    (i) => end - logistic(SIGMOID_START + i / timesteps * (SIGMOID_END - SIGMOID_START)),
  );
}

function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
