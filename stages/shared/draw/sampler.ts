import { basename } from "node:path";
import type { CheckpointFacts } from "../../../artifacts/facts.ts";
import type { CheckProblem, Facts, OwnDefinition } from "../../../contract/stage.ts";
import type { SamplerDefinition } from "../../../diffusion/define.ts";
import { builtinSampler, type SamplerParams, SAMPLERS_OF_ANY_PATH } from "../../../diffusion/samplers.ts";
import { isOwn, type OwnParam } from "../../../schemas/definitions.ts";
import { problemsOf } from "../checks.ts";
import { ownNamed } from "../own.ts";

/** A sampler of the toolkit, or one of the user's own. */
export type SamplerParam = SamplerParams | OwnParam;

/** The sampler that a stage walks with. */
export interface ChosenSampler {
  readonly definition: SamplerDefinition;
  readonly params: object;
  /** File of one of the user's own. */
  readonly file?: string;
  /** What an artifact says of it. */
  readonly record: object;
}

/** The sampler of a stage that runs. */
export function chooseSampler(param: SamplerParam, definitions: readonly OwnDefinition[]): ChosenSampler {
  if (!isOwn(param)) return { ...builtinSampler(param), record: param };
  const { definition, params, uses, record } = ownNamed("sampler", param, definitions);
  return { definition, params, file: uses, record };
}

/** What is known of a checkpoint that decides which samplers fit. */
type WalkedOn = Pick<CheckpointFacts, "timesteps" | "learnedVariance" | "variancePreserving" | "ownSampler">;

/**
 * Everything about the sampler of a stage that does not fit the network or its path; warnings too.
 *
 * @param own what is known of a sampler of the user's own, before it is loaded or after
 */
export function checkSampler(
  param: SamplerParam,
  checkpoint: WalkedOn,
  own?: Pick<SamplerDefinition, "needs"> | Facts,
): CheckProblem[] {
  const { ownSampler, variancePreserving } = checkpoint;
  const [name, needs] = isOwn(param)
    ? [basename(param.uses), own?.["needs"]]
    : [param.name, builtinSampler(param).definition.needs];
  return problemsOf(
    isOwn(param) ? [] : checkParams(builtinSampler(param), checkpoint),
    ownSampler !== undefined && name !== ownSampler && {
      param: ["sampler"],
      message: "the objective that the network learned does not say how x_0 is had, and names the sampler that fits",
      got: name,
      wanted: ownSampler,
      fix: `use sampler: { uses: ./${ownSampler} }`,
    },
    needs === "chain" && !variancePreserving && {
      param: ["sampler"],
      message:
        "this sampler needs the chain of a path that preserves the variance, which that of the checkpoint does not",
      got: name,
      wanted: `a sampler for any path, such as ${SAMPLERS_OF_ANY_PATH.join(", ")}`,
      fix: `use sampler: { name: ${SAMPLERS_OF_ANY_PATH[0]} }`,
    },
  );
}

/** What a sampler itself says of its params. */
export function checkParams(
  { definition, params }: Pick<ChosenSampler, "definition" | "params">,
  { timesteps, learnedVariance }: Pick<CheckpointFacts, "timesteps" | "learnedVariance">,
): CheckProblem[] {
  const found = definition.check?.(params, { timesteps, learnedVariance }) ?? [];
  return found.map((problem) => ({ ...problem, param: ["sampler", ...problem.param] }));
}

/** The most evaluations of the network for an image; undefined where only the run finds out. @param timesteps T */
export function evaluationsOf(param: SamplerParam, timesteps: number): number | undefined {
  if (isOwn(param)) return undefined;
  const { definition, params } = builtinSampler(param);
  return definition.evaluations?.(params, timesteps);
}
