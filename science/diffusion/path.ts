import { DATA_TIME } from "./define.ts";
import type { DefinitionParams, ParamsOf, Path, PathDefinition, TimePoint } from "./define.ts";
import { type DiffusionTables, makeTables, priorKlBitsPerDim } from "./schedule/tables.ts";
import { roundHalfToEven } from "./schedule/respace.ts";
import { hasZeroTerminalSnr } from "./schedule/betas.ts";

export { DATA_TIME };

/** Signal and noise of a path at its indices, float64 [T] each. */
type PathTable = Readonly<Record<"signal" | "noise", Float64Array>>;

/** Returns the path of a chain of betas. */
export function chainPath(tables: DiffusionTables): Path {
  return discretePath({ signal: tables.sqrtAlphasCumprod, noise: tables.sqrtOneMinusAlphasCumprod }, tables);
}

/** Returns a user's path of which only the table is known: it has whole times only. */
export function pathFromTable(table: PathTable): Path {
  return discretePath(table, tablesOf(table));
}

function discretePath({ signal, noise }: PathTable, tables: DiffusionTables | undefined): Path {
  const timesteps = signal.length;
  const at = (table: Float64Array, data: number) => (t: number) => {
    if (t === DATA_TIME) return data;
    const value = table[t];
    if (value !== undefined) return value;
    throw new RangeError(`Time of a path: got ${t}, wanted an integer from -1 to ${timesteps - 1}`);
  };
  return {
    timesteps,
    continuous: false,
    signal: at(signal, 1),
    noise: at(noise, 0),
    tables,
    times: (steps) => evenTimes(timesteps, steps).map((t, i) => i === steps ? DATA_TIME : roundHalfToEven(t + 1) - 1),
    draw: ({ uniform }) => Math.floor(uniform * timesteps),
  };
}

/** Returns the path that a definition describes. */
export function definedPath<P extends DefinitionParams>(
  { signal, noise, draw = ({ uniform }) => 1 - uniform }: PathDefinition<P>,
  params: ParamsOf<P>,
  timesteps: number,
): Path {
  const unit = (t: number) => (t + 1) / timesteps;
  const at = (f: PathDefinition<P>["signal"]) => (t: number) => {
    if (t >= DATA_TIME && t <= timesteps - 1) return f(unit(t), params);
    throw new RangeError(`Time of a path: got ${t}, wanted -1 to ${timesteps - 1}`);
  };
  const path = { timesteps, continuous: true, signal: at(signal), noise: at(noise) };
  return {
    ...path,
    tables: tablesOf(tableOf(path)),
    times: (steps) => evenTimes(timesteps, steps),
    draw: (random) => timesteps * draw(random, params) - 1,
  };
}

/** Evaluates a path at its indices. */
export function tableOf({ timesteps, signal, noise }: Pick<Path, "timesteps" | "signal" | "noise">): PathTable {
  const at = (f: (t: number) => number) => Float64Array.from({ length: timesteps }, (_, t) => f(t));
  return { signal: at(signal), noise: at(noise) };
}

/** Rounding error that is allowed in signal^2 + noise^2 = 1. */
const VARIANCE_TOLERANCE = 1e-9;

/** Returns all tables of a variance-preserving path whose noise grows at each step; undefined for any other path. */
function tablesOf({ signal, noise }: PathTable): DiffusionTables | undefined {
  const betas = new Float64Array(signal.length);
  for (let t = 0; t < betas.length; t++) {
    const [kept, added] = [signal[t]! ** 2, noise[t]! ** 2];
    if (!(Math.abs(kept + added - 1) <= VARIANCE_TOLERANCE)) return undefined;
    const before = t === 0 ? 0 : noise[t - 1]! ** 2;
    // 1 - A_t / A_{t-1}, computed from the smaller of A and 1 - A, which has more digits.
    betas[t] = kept > added ? (added - before) / (1 - before) : 1 - kept / (t === 0 ? 1 : signal[t - 1]! ** 2);
    if (!(betas[t]! > 0 && betas[t]! <= 1)) return undefined;
  }
  return makeTables(betas);
}

function evenTimes(timesteps: number, steps: number): number[] {
  return Array.from({ length: steps + 1 }, (_, i) => timesteps - 1 - i * timesteps / steps);
}

/** If the signal is below this fraction of the noise, their sum in float32 holds nothing of the signal. */
const ROUNDING = 2 ** -24;

/** Returns the facts of a path that checks use. */
export function pathFacts(path: Path) {
  const [signal, noise] = [path.signal(path.timesteps - 1), path.noise(path.timesteps - 1)];
  return {
    timesteps: path.timesteps,
    endRatio: signal / noise,
    variancePreserving: path.tables !== undefined,
    zeroTerminalSnr: path.tables === undefined ? signal <= ROUNDING * noise : hasZeroTerminalSnr(path.tables),
  };
}

/**
 * Returns the information about x_0 that is left in x_T, in bits per dimension, for E[x_0^2] = 1 (see
 * `priorKlBitsPerDim`). Sampling starts from N(0, I), or from N(0, noise^2) if the path does not preserve the variance.
 */
export function priorKlOfPath(path: Path): number {
  return path.tables !== undefined ? priorKlBitsPerDim(path.tables) : snrOf(path).at(-1)! / (2 * Math.LN2);
}

/** Returns the signal-to-noise ratio signal^2 / noise^2 at the indices, float64 [T]. */
export function snrOf(path: Path): Float64Array {
  const { signal, noise } = tableOf(path);
  return path.tables?.snr ?? signal.map((value, t) => (value / noise[t]!) ** 2);
}

/**
 * Returns a path with the times of its tables only, all equally likely in training, for objectives that need a chain. A
 * path without tables is returned as it is.
 */
export function discretized(path: Path): Path {
  return path.continuous && path.tables !== undefined ? chainPath(path.tables) : path;
}

/** Returns the point of a path at a time. */
export function timePoint(path: Path, t: number): TimePoint {
  return { path, t, signal: path.signal(t), noise: path.noise(t) };
}
