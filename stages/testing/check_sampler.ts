import type { DefinitionParams, Path, PathDefinition, Prediction, SamplerDefinition } from "../../diffusion/define.ts";
import { randomStream } from "../../tensor/random/stream.ts";
import { isError } from "../shared/checks.ts";
import type { CodeProblem } from "../shared/definition_checks.ts";
import { checkTimes, startDeviation } from "../shared/draw/walk.ts";
import { parseParams, pathsFor, shown, throwProblems } from "./problems.ts";

/** How to check a sampler. */
export interface SamplerCheckOptions<P extends DefinitionParams> {
  /** As in a pipeline file: defaults are filled in. */
  readonly params?: P["_zod"]["input"];
  /** What to walk on. Default: a chain of betas and, unless the sampler needs that, a straight line. */
  readonly path?: PathDefinition;
  /** How far mean and deviation may be off, but for chance. Default: 2 by the number of evaluations. */
  readonly tolerance?: number;
}

/** Images of SIZE numbers, each N(MEAN, DEVIATION^2). */
const [COUNT, SIZE, MEAN, DEVIATION] = [256, 64, 0.3, 0.5];
/** Five standard errors of a mean, which are more of a deviation. */
const CHANCE = 5 * DEVIATION / Math.sqrt(COUNT * SIZE);

/**
 * Check a sampler on images of N(0.3, 0.5^2), for which E[x_0 | x_t] is known in closed form: its times fall on the path
 * and end at the image, it asks no more often than it says, what becomes of an image does not depend on the others of the
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
): Promise<readonly CodeProblem[]> {
  const params = parseParams(definition, given);
  const refused = definition.check?.(params, { timesteps: path.timesteps, learnedVariance: false }).filter(isError) ??
    [];
  if (refused.length > 0) return refused;
  const times = definition.times(params, path);
  const wrong = checkTimes(times, path);
  if (wrong !== undefined) return [{ message: "times", ...wrong }];

  const normals = randomStream({ seed: 0, stream: "test/sampler" });
  const most = definition.evaluations?.(params, path.timesteps) ?? times.length - 1;
  let asked = 0;
  const walk = (x: Float32Array<ArrayBuffer>) => {
    asked = 0;
    const predict = async (x: Float32Array<ArrayBuffer>, t: number) => {
      const got = `${++asked} and more`;
      if (asked > most) throwProblems("sampler", [{ message: "evaluations", got, wanted: `at most ${most}` }]);
      return predictGaussian(x, path, t);
    };
    return definition.sample({ x, times, path, params, predict, noise: (k) => normals.normal(k + 1, x.length) });
  };
  const start = normals.normal(0, COUNT * SIZE).map((z) => z * startDeviation(path, times[0]!));
  const result = await walk(start.slice());
  const evaluations = asked;
  if (result.length !== start.length) {
    return [{ message: "length of the result", got: `${result.length}`, wanted: `${start.length}` }];
  }
  const alone = await walk(start.slice(0, SIZE));
  const mean = result.reduce((sum, value) => sum + value, 0) / result.length;
  const variance = result.reduce((sum, value) => sum + (value - mean) ** 2, 0) / result.length;
  const bound = (tolerance ?? 2 / evaluations) + CHANCE;
  const moments = [["mean", mean, MEAN], ["deviation", Math.sqrt(variance), DEVIATION]] as const;
  return [
    ...moments.filter(([, got, wanted]) => !(Math.abs(got - wanted) <= bound)).map(([name, got, wanted]) => ({
      message: `${name} after ${evaluations} evaluations`,
      got: shown(got),
      wanted: `${wanted}, give or take ${shown(bound)}`,
    })),
    ...alone.every((value, i) => Object.is(value, result[i]))
      ? []
      : [{ message: "an image drawn alone", got: "other numbers than in a batch", wanted: "the same" }],
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
