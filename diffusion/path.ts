import { DATA_TIME, type ParamsOf, type Path, type PathDefinition, type TimePoint } from "./define.ts";
import { roundHalfToEven } from "./schedule/round_half_to_even.ts";
import { type DiffusionTables, makeTables } from "./schedule/tables.ts";

export { DATA_TIME };

/** The path of a chain of betas. */
export function chainPath(tables: DiffusionTables): Path {
  const { timesteps } = tables;
  const at = (table: Float64Array, data: number) => (t: number) => {
    if (t === DATA_TIME) return data;
    const value = table[t];
    if (value !== undefined) return value;
    throw new RangeError(`Time of a chain of betas: got ${t}, wanted an integer from -1 to ${timesteps - 1}`);
  };
  return {
    timesteps,
    continuous: false,
    signal: at(tables.sqrtAlphasCumprod, 1),
    noise: at(tables.sqrtOneMinusAlphasCumprod, 0),
    tables,
    times: (steps) => evenTimes(timesteps, steps).map((t, i) => i === steps ? DATA_TIME : roundHalfToEven(t + 1) - 1),
    draw: ({ uniform }) => Math.floor(uniform * timesteps),
  };
}

/** How far signal^2 + noise^2 may be from 1 where rounding is all that is between. */
const PRESERVED = 1e-9;

/** A path of one's own. */
export function definedPath<P extends PathDefinition>(
  { signal, noise, draw = ({ uniform }) => 1 - uniform }: P,
  params: ParamsOf<P["params"]>,
  timesteps: number,
): Path {
  const unit = (t: number) => (t + 1) / timesteps;
  const at = (f: PathDefinition["signal"]) => (t: number) => {
    if (t >= DATA_TIME && t <= timesteps - 1) return f(unit(t), params);
    throw new RangeError(`Time of a path: got ${t}, wanted -1 to ${timesteps - 1}`);
  };
  const path = { timesteps, continuous: true, signal: at(signal), noise: at(noise) };
  return {
    ...path,
    tables: tablesOf(path),
    times: (steps) => evenTimes(timesteps, steps),
    draw: (random) => timesteps * draw(random, params) - 1,
  };
}

/** All tables of a path that preserves the variance and whose noise grows at each step; undefined of another. */
function tablesOf(
  { timesteps, signal, noise }: Pick<Path, "timesteps" | "signal" | "noise">,
): DiffusionTables | undefined {
  const betas = new Float64Array(timesteps);
  for (let t = 0; t < timesteps; t++) {
    if (Math.abs(signal(t) ** 2 + noise(t) ** 2 - 1) > PRESERVED) return undefined;
    betas[t] = 1 - (signal(t) / signal(t - 1)) ** 2;
    if (!(betas[t]! > 0 && betas[t]! <= 1)) return undefined;
  }
  return makeTables(betas);
}

function evenTimes(timesteps: number, steps: number): number[] {
  return Array.from({ length: steps + 1 }, (_, i) => timesteps - 1 - i * timesteps / steps);
}

/** A place on a path. */
export function timePoint(path: Path, t: number): TimePoint {
  return { path, t, signal: path.signal(t), noise: path.noise(t) };
}
