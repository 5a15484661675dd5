import {
  DATA_TIME,
  type DefinitionParams,
  type Path,
  type PathDefinition,
  type Prediction,
  type SamplerDefinition,
} from "../../diffusion/define.ts";
import { randomStream } from "../../tensor/random/stream.ts";
import type { CodeProblem } from "../shared/definition_checks.ts";
import { parseParams, pathsFor, shown, throwProblems } from "./problems.ts";

/** How to check a sampler. */
export interface SamplerCheckOptions<P extends DefinitionParams> {
  /** As in a pipeline file: defaults are filled in. */
  readonly params?: P["_zod"]["input"];
  /** What to walk on. Default: a chain of betas, and unless the sampler needs one, a straight path. */
  readonly path?: PathDefinition;
  /** How far mean and deviation may be off, but for chance. Default: 2 by the number of evaluations. */
  readonly tolerance?: number;
}

/** Images of this many numbers, each N(MEAN, DEVIATION^2). */
const [COUNT, SIZE, MEAN, DEVIATION] = [256, 64, 0.3, 0.5];
/** Five standard errors of a deviation, and more than those of a mean. */
const CHANCE = 5 * DEVIATION / Math.sqrt(COUNT * SIZE);

/**
 * Check a sampler on images N(0.3, 0.5^2), for which E[x_0 | x_t] is known in closed form: its times fall on the path and
 * end at the image, it asks no more often than it says, what becomes of an image does not depend on the others of the
 * batch, and mean and deviation come out right, within a tolerance that shrinks with the number of evaluations.
 *
 * @throws Error that lists all that does not hold. A throw of the sampler is a throw of this.
 */
export async function checkSampler<P extends DefinitionParams>(
  definition: SamplerDefinition<P>,
  options: SamplerCheckOptions<P> = {},
): Promise<void> {
  const problems: CodeProblem[] = [];
  for (const [name, path] of pathsFor(definition.needs, options.path)) {
    const found = await checkOn(path, definition, options);
    problems.push(...found.map((problem) => ({ ...problem, message: `${problem.message}, on ${name}` })));
  }
  throwProblems("sampler", problems);
}

async function checkOn<P extends DefinitionParams>(
  path: Path,
  definition: SamplerDefinition<P>,
  { params: given, tolerance }: SamplerCheckOptions<P>,
): Promise<CodeProblem[]> {
  const params = parseParams(definition, given);
  const refused = definition.check?.(params, { timesteps: path.timesteps, learnedVariance: false }) ?? [];
  const errors = refused.filter(({ severity = "error" }) => severity === "error");
  if (errors.length > 0) return errors;
  const times = definition.times(params, path);
  const wrong = checkTimes(times, path);
  if (wrong.length > 0) return wrong;

  const promised = definition.evaluations?.(params, path.timesteps) ?? times.length - 1;
  let asked = 0;
  const walk = (x: Float32Array<ArrayBuffer>) => {
    asked = 0;
    return definition.sample({
      x,
      times,
      path,
      params,
      predict(x, t) {
        if (++asked <= promised) return Promise.resolve(predictGaussian(x, path, t));
        throwProblems("sampler", [{ message: "Evaluations", got: `${asked} or more`, wanted: `at most ${promised}` }]);
        throw new Error("unreachable");
      },
      noise: (k) => normals.normal(k + 1, x.length),
    });
  };
  const normals = randomStream({ seed: 0, stream: "test/sampler" });
  const start = normals.normal(0, COUNT * SIZE).map((z) => z * path.noise(times[0]!));
  const result = await walk(start.slice());
  const evaluations = asked;
  if (result.length !== start.length) {
    return [{ message: "Length of the result", got: `${result.length}`, wanted: `${start.length}` }];
  }
  const alone = await walk(start.slice(0, SIZE));
  const bound = (tolerance ?? 2 / evaluations) + CHANCE;
  const mean = result.reduce((sum, value) => sum + value, 0) / result.length;
  const variance = result.reduce((sum, value) => sum + (value - mean) ** 2, 0) / result.length;
  const moments = [["Mean", mean, MEAN], ["Deviation", Math.sqrt(variance), DEVIATION]] as const;
  return [
    ...moments.filter(([, got, wanted]) => !(Math.abs(got - wanted) <= bound)).map(([name, got, wanted]) => ({
      message: `${name} after ${evaluations} evaluations`,
      got: shown(got),
      wanted: `${wanted} within ${shown(bound)}`,
    })),
    ...alone.every((value, i) => Object.is(value, result[i])) ? [] : [{
      message: "An image drawn alone",
      got: "others than in a batch",
      wanted: "the same numbers",
    }],
  ];
}

function checkTimes(times: readonly number[], path: Path): CodeProblem[] {
  const rises = times.findIndex((t, i) => i > 0 && !(t < times[i - 1]!));
  const off = times.find((t) => {
    try {
      return !Number.isFinite(path.signal(t) + path.noise(t));
    } catch {
      return true;
    }
  });
  const whole = path.continuous ? "" : "whole, ";
  return [
    ...rises > 0
      ? [{ message: `Time ${rises}`, got: `${times[rises - 1]}, then ${times[rises]}`, wanted: "less" }]
      : [],
    ...off === undefined ? [] : [{ message: "A time", got: `${off}`, wanted: `${whole}-1 to ${path.timesteps - 1}` }],
    ...times.length > 1 && times.at(-1) === DATA_TIME ? [] : [{
      message: "Times",
      got: `${times.slice(-2).join(", ") || "none"} at the end`,
      wanted: "two or more, the last -1",
    }],
  ];
}

/** E[x_0 | x_t] where x_0 is N(m, s^2): m + s^2 a (x_t - a m) / (a^2 s^2 + n^2). */
function predictGaussian(x: Float32Array<ArrayBuffer>, path: Path, t: number): Prediction {
  const [signal, noise] = [path.signal(t), path.noise(t)];
  const gain = DEVIATION ** 2 * signal / (signal ** 2 * DEVIATION ** 2 + noise ** 2);
  const x0 = x.map((value) => MEAN + gain * (value - signal * MEAN));
  const eps = x.map((value, i) => (value - signal * x0[i]!) / noise);
  return { x0, eps, variance: undefined, output: x0.slice() };
}
