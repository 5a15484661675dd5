import { linspace } from "./linspace.ts";
import { endsOf, SCHEDULE_NAMES, type ScheduleName } from "./names.ts";
import { cosineBetas, sigmoidBetas } from "./signal_betas.ts";
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
 *
 * @throws RangeError for an unknown name, a T that is not an integer >= 1, or ends outside (0, 1).
 */
export function makeBetas(spec: ScheduleSpec): Float64Array {
  const { name, timesteps, linearStart = 1e-4, linearEnd = 2e-2, cosineS = 8e-3, zeroTerminalSnr = false } = spec;
  checkSpec({ name, timesteps, linearStart, linearEnd, cosineS });
  const betas = namedBetas({ name, timesteps, linearStart, linearEnd, cosineS });
  return zeroTerminalSnr ? rescaleZeroTerminalSnr(betas) : betas;
}

type FullSpec = Required<Omit<ScheduleSpec, "zeroTerminalSnr">>;

function namedBetas({ name, timesteps, linearStart, linearEnd, cosineS }: FullSpec): Float64Array {
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
      return warmupBetas({ timesteps, linearStart, linearEnd, fraction: 0.1 });
    case "ho/warmup50":
      return warmupBetas({ timesteps, linearStart, linearEnd, fraction: 0.5 });
    case "ho/const":
      return new Float64Array(timesteps).fill(linearEnd);
    case "ho/jsd":
      return Float64Array.from({ length: timesteps }, (_, t) => 1 / (timesteps - t));
    case "sigmoid":
      return sigmoidBetas(timesteps);
  }
}

/** Linear in beta over the first fraction of the chain, then constant. */
function warmupBetas(
  { timesteps, linearStart, linearEnd, fraction }:
    & Pick<FullSpec, "timesteps" | "linearStart" | "linearEnd">
    & { readonly fraction: number },
): Float64Array {
  const betas = new Float64Array(timesteps).fill(linearEnd);
  betas.set(linspace(linearStart, linearEnd, Math.trunc(timesteps * fraction)));
  return betas;
}

function checkSpec({ name, timesteps, cosineS, ...ends }: FullSpec): void {
  if (!SCHEDULE_NAMES.includes(name)) {
    throw new RangeError(
      `Unknown beta schedule: got ${JSON.stringify(name)}, wanted one of ${SCHEDULE_NAMES.join(", ")}`,
    );
  }
  if (!Number.isInteger(timesteps) || timesteps < 1) {
    throw new RangeError(`Timesteps of a beta schedule: got ${timesteps}, wanted an integer >= 1`);
  }
  for (const end of endsOf(name)) {
    const value = ends[end];
    if (!(value > 0 && value < 1)) throw new RangeError(`${end} of a beta schedule: got ${value}, wanted 0 < x < 1`);
  }
  if (!(cosineS >= 0 && cosineS < Infinity)) {
    throw new RangeError(`cosineS of a beta schedule: got ${cosineS}, wanted a finite number >= 0`);
  }
}
