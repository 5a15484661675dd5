import type { CheckpointFacts } from "../../../artifacts/facts.ts";
import type { CheckProblem, OwnDefinition } from "../../../engine/contract/stage.ts";
import type { SamplerDefinition } from "../../../science/diffusion/define.ts";
import { builtinSampler, type SamplerParams, SAMPLERS_OF_ANY_PATH } from "../../../science/diffusion/samplers.ts";
import { isOwn, type OwnParam } from "../../../schemas/definitions.ts";
import { fileName } from "../../../std/file_name.ts";
import { problemsOf } from "../checks.ts";
import { definitionByFile } from "../own_definitions.ts";

/** A built-in sampler, or the user's. */
export type SamplerParam = SamplerParams | OwnParam;

/** The sampler that a stage uses. */
export type ChosenSampler = ReturnType<typeof chooseSampler>;

/** Returns the sampler of a running stage, with its record for an artifact. `uses` is the file of a user's sampler. */
export function chooseSampler(param: SamplerParam, definitions: readonly OwnDefinition[]) {
  if (isOwn(param)) return definitionByFile("sampler", param, definitions);
  return { ...builtinSampler(param), record: param, uses: undefined };
}

/**
 * Reports everything about a stage's sampler that does not fit the network or its path; warnings too.
 *
 * @param own the facts of a user's sampler that are known before it is loaded, see `describeDefinition`
 */
export function checkSampler(
  param: SamplerParam,
  checkpoint: KnownOfNetwork & Pick<CheckpointFacts, "ownSampler">,
  own: Pick<SamplerDefinition, "needs"> = {},
): CheckProblem[] {
  const [name, chosen] = isOwn(param)
    ? [fileName(param.uses), { definition: own, params: {} }] as const
    : [param.name, builtinSampler(param)] as const;
  const { ownSampler } = checkpoint;
  return problemsOf(
    checkFit(name, chosen, checkpoint),
    ownSampler !== undefined && name !== ownSampler && {
      param: ["sampler"],
      message: "the objective that the network learned does not define x_0, and names the sampler that fits",
      got: name,
      wanted: ownSampler,
      fix: `use sampler: { uses: ./${ownSampler} }`,
    },
  );
}

type KnownOfNetwork = Pick<CheckpointFacts, "timesteps" | "learnedVariance" | "variancePreserving">;

/** Reports the problems that a sampler finds with its params, and a path that lacks what the sampler needs. */
export function checkFit(
  name: string,
  { definition, params }: { definition: Pick<SamplerDefinition, "needs"> & Partial<SamplerDefinition>; params: object },
  network: KnownOfNetwork,
): CheckProblem[] {
  const found = definition.check?.(params, network) ?? [];
  return problemsOf(
    found.map((problem) => ({ ...problem, param: ["sampler", ...problem.param] })),
    definition.needs === "chain" && !network.variancePreserving && {
      param: ["sampler"],
      message: "needs the chain of a path that preserves the variance, which that of the checkpoint does not",
      got: name,
      wanted: `a sampler for any path, such as ${SAMPLERS_OF_ANY_PATH.join(", ")}`,
      fix: `use sampler: { name: ${SAMPLERS_OF_ANY_PATH[0]} }`,
    },
  );
}
