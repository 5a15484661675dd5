import type { DefinitionProblem, Path } from "./define.ts";
import { DATA_TIME, priorKlOfPath, tableOf } from "./path.ts";
import { MAX_PRIOR_BITS_PER_DIM } from "./schedule/prior.ts";

/** How far a path may be from 1 and 0 at the image, and may go the wrong way between two indices, by rounding. */
const SLACK = 1e-9;

/** What the widest draws are: of the middle and both ends of a uniform in [0, 1), and of more than float32 normals reach. */
const UNIFORMS = [0, 2 ** -24, 0.25, 0.5, 0.75, 1 - 2 ** -24];
const NORMALS = [-8, -1, 0, 1, 8];

/**
 * What keeps a path from being learned or sampled from: it must start at the image, lose signal to noise at each index in
 * numbers that float32 holds, end in noise, be the same at each call, and be drawn from within itself.
 *
 * @returns problems with no param, each of another sort; those that follow from others are left out
 */
export function pathProblems(path: Path): DefinitionProblem[] {
  const values = checkValues(path);
  const said = [checkStart(path), values, checkDraws(path)].filter((one) => one !== undefined);
  const errors = said.map(([message, got, wanted]) => ({ param: [], message, got, wanted }));
  // What float32 cannot hold is no prior either.
  return values === undefined ? [...errors, ...checkEnd(path)] : errors;
}

type Said = readonly [message: string, got: string, wanted: string];

function checkStart({ signal, noise }: Path): Said | undefined {
  const [s, n] = [signal(DATA_TIME), noise(DATA_TIME)];
  if (Math.abs(s - 1) <= SLACK && Math.abs(n) <= SLACK) return undefined;
  return ["the path does not start at the image", `signal ${s} and noise ${n} at u = 0`, "signal 1 and noise 0"];
}

/** The first index at which a path is not what it must be. */
function checkValues(path: Path): Said | undefined {
  const { signal, noise } = tableOf(path);
  const again = tableOf(path);
  const last = path.timesteps - 1;
  let [moreSignal, lessNoise, before] = [1, 0, Infinity];
  for (let t = 0; t <= last; t++) {
    const [s, n] = [signal[t]!, noise[t]!];
    const got = `signal ${s} and noise ${n} at t=${t}`;
    if (!(s >= 0 && s <= 1 + SLACK)) return ["the signal of the path is not in [0, 1]", got, "a signal from 1 to 0"];
    if (!(Math.fround(n) > 0 && Number.isFinite(Math.fround(n)))) {
      return ["the noise of the path is no number above 0 in float32", got, "some noise at every timestep"];
    }
    if (s !== again.signal[t] || n !== again.noise[t]) {
      const wanted = "functions of u and params alone";
      return ["the path is another one at each call", `${got}, then ${again.signal[t]} and ${again.noise[t]}`, wanted];
    }
    if (s > moreSignal + SLACK || n < lessNoise - SLACK) {
      const wanted = `signal at most ${moreSignal} and noise at least ${lessNoise}, as before`;
      return ["the path goes back from noise to the image", got, wanted];
    }
    if (!(s / n < before)) {
      return ["the path stands still", got, `less signal for each noise than at t=${t - 1}`];
    }
    if (!(Number.isFinite(Math.fround(n / s)) || (s === 0 && t === last))) {
      return [
        "the path leaves too little signal for 32-bit numbers",
        got,
        "more signal, or 0 at the last timestep alone",
      ];
    }
    [moreSignal, lessNoise, before] = [s, n, s / n];
  }
  return undefined;
}

function checkEnd(path: Path): DefinitionProblem[] {
  const bits = priorKlOfPath(path);
  if (bits <= MAX_PRIOR_BITS_PER_DIM) return [];
  const t = path.timesteps - 1;
  return [{
    severity: "warning",
    param: [],
    message: "the path ends before the image has become noise, but sampling starts from pure noise: x_T keeps " +
      `${bits.toExponential(2)} bits per dimension of the image`,
    got: `signal ${path.signal(t)} and noise ${path.noise(t)} at the end`,
    wanted: `at most ${MAX_PRIOR_BITS_PER_DIM} bits per dimension, as of 1 part of signal in 85 of noise`,
  }];
}

function checkDraws(path: Path): Said | undefined {
  for (const uniform of UNIFORMS) {
    for (const normal of NORMALS) {
      const t = path.draw({ uniform, normal });
      if (t > DATA_TIME && t <= path.timesteps - 1) continue;
      const got = `u = ${(t + 1) / path.timesteps} of uniform ${uniform} and normal ${normal}`;
      return ["training would draw times that are not on the path", got, "u in (0, 1]"];
    }
  }
  return undefined;
}
