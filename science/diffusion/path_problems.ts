import type { DefinitionProblem, Path } from "./define.ts";
import { chainPath, DATA_TIME, priorKlOfPath, tableOf } from "./path.ts";
import { makeTables, MAX_PRIOR_BITS_PER_DIM, priorKlOfSignal } from "./schedule/tables.ts";
import { makeBetas, type ScheduleShape } from "./schedule/betas.ts";

/**
 * Allowed rounding error: distance from signal 1 and noise 0 at the image, and steps in the wrong direction between two
 * indices.
 */
const SLACK = 1e-9;

/**
 * Extreme random numbers: a uniform in [0, 1) at its ends and between, and normals beyond what float32 normals reach.
 */
const UNIFORMS = [0, 2 ** -24, 0.25, 0.5, 0.75, 1 - 2 ** -24];
const NORMALS = [-8, -1, 0, 1, 8];

/**
 * Checks that a network can be trained on and sampled along a path. The path must start at the image, have a
 * signal-to-noise ratio that falls at each index in numbers that float32 holds, end in noise, be the same at each call,
 * and sample training times that lie on it.
 *
 * @returns problems with an empty param, each of another kind; problems that follow from others are left out
 */
export function pathProblems(path: Path): DefinitionProblem[] {
  const values = checkValues(path);
  const said = [checkStart(path), values ?? checkTrainingTimes(path)].filter((one) => one !== undefined);
  const errors = said.map(([message, got, wanted]) => ({ param: [], message, got, wanted }));
  // If float32 cannot hold the path, its end is not checked either.
  return values === undefined ? [...errors, ...checkEnd(path)] : errors;
}

type ProblemText = readonly [message: string, got: string, wanted: string];

function checkStart({ signal, noise }: Path): ProblemText | undefined {
  const [s, n] = [signal(DATA_TIME), noise(DATA_TIME)];
  if (Math.abs(s - 1) <= SLACK && Math.abs(n) <= SLACK) return undefined;
  return ["the path does not start at the image", `signal ${s} and noise ${n} at u = 0`, "signal 1 and noise 0"];
}

/** Reports the first index at which a path breaks a rule. */
function checkValues(path: Path): ProblemText | undefined {
  const [{ signal, noise }, again] = [tableOf(path), tableOf(path)];
  let before = { s: 1, n: 0, ratio: Infinity };
  for (let t = 0; t < path.timesteps; t++) {
    const [s, n] = [signal[t]!, noise[t]!];
    const now = { s, n, ratio: s / n };
    const isLast = t === path.timesteps - 1;
    const rules: readonly (readonly [holds: boolean, message: string, wanted: string])[] = [
      [s >= 0 && s <= 1 + SLACK, "the signal of the path is out of range", "0 to 1"],
      [
        n > 0 && isSingle(n) && isSingle(now.ratio ** 2),
        "the noise of the path is out of range",
        "noise above 0, neither so little nor so much that float32 cannot hold it and the SNR",
      ],
      [s === again.signal[t] && n === again.noise[t], "the path is another one at each call", "the same at each call"],
      [
        s <= before.s + SLACK && n >= before.n - SLACK && now.ratio < before.ratio,
        "the path does not go from the image to noise",
        `less signal for each noise than at t=${t - 1}, where they are ${before.s} and ${before.n}`,
      ],
      [
        isSingle(n / s) || (s === 0 && isLast),
        "the path leaves too little signal for 32-bit numbers",
        "more signal, or 0 at the last timestep alone",
      ],
    ];
    const broken = rules.find(([holds]) => !holds);
    if (broken !== undefined) return [broken[1], `signal ${s} and noise ${n} at t=${t}`, broken[2]];
    before = now;
  }
  return undefined;
}

function isSingle(value: number): boolean {
  return Number.isFinite(Math.fround(value));
}

function checkEnd(path: Path): DefinitionProblem[] {
  const bits = priorKlOfPath(path);
  if (bits <= MAX_PRIOR_BITS_PER_DIM) return [];
  const t = path.timesteps - 1;
  return [{
    severity: "warning",
    param: [],
    message: "x_T is still not pure noise, from which sampling starts: it keeps " +
      `${bits.toExponential(2)} bits per dimension of the image (L_T)`,
    got: `signal ${path.signal(t)} and noise ${path.noise(t)} at the end`,
    wanted: `at most ${MAX_PRIOR_BITS_PER_DIM} bits per dimension, as of 1 part of signal in 85 of noise`,
  }];
}

function checkTrainingTimes(path: Path): ProblemText | undefined {
  for (const uniform of UNIFORMS) {
    for (const normal of NORMALS) {
      const t = path.draw({ uniform, normal });
      const isOn = t > DATA_TIME && t <= path.timesteps - 1;
      if (isOn && Number.isFinite(path.signal(t)) && Number.isFinite(path.noise(t))) continue;
      const got = `u = ${(t + 1) / path.timesteps} of uniform ${uniform} and normal ${normal}`;
      return ["training would draw times that are not on the path", got, "u in (0, 1]"];
    }
  }
  return undefined;
}

/** Upper limit of the search: far past any chain that could be sampled, and still a few milliseconds to evaluate. */
export const SEARCH_LIMIT_TIMESTEPS = 100_000;

/**
 * Returns the largest T whose path float32 can hold (see `pathProblems`), at most `limitTimesteps`; 0 if float32 cannot
 * even hold that of T = 1. Longer chains of these schedules leave less signal at their end, so the property is monotone
 * in T, and a bisection finds the limit.
 */
export function largestFiniteTimesteps(shape: ScheduleShape, limitTimesteps: number = SEARCH_LIMIT_TIMESTEPS): number {
  const overflows = (timesteps: number) =>
    pathProblems(chainPath(makeTables(makeBetas({ ...shape, timesteps })))).some((one) => one.severity !== "warning");
  return (firstTrue(overflows, limitTimesteps) ?? limitTimesteps + 1) - 1;
}

/**
 * Returns the smallest T whose chain ends at N(0, I) to within `MAX_PRIOR_BITS_PER_DIM`, for data of mean square 1,
 * the worst case in [-1, 1]; undefined if no T up to `limitTimesteps` does. The property is monotone for the same
 * reason as above.
 */
export function smallestNormalTimesteps(shape: ScheduleShape, limitTimesteps = SEARCH_LIMIT_TIMESTEPS) {
  const isNormal = (timesteps: number) => {
    const signal = makeBetas({ ...shape, timesteps }).reduce((product, beta) => product * (1 - beta), 1);
    return priorKlOfSignal(signal, 1) <= MAX_PRIOR_BITS_PER_DIM;
  };
  return firstTrue(isNormal, limitTimesteps);
}

/** Finds the smallest n in [1, limit] for which a monotone predicate holds: doubling, then bisection. */
function firstTrue(holds: (n: number) => boolean, limit: number): number | undefined {
  let low = 0;
  let high = 1;
  while (!holds(high)) {
    if (high === limit) return undefined;
    low = high;
    high = Math.min(high * 2, limit);
  }
  // Invariant: holds(high), and not holds(low) (or low is 0).
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle;
  }
  return high;
}
