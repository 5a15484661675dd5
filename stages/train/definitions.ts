import { type CheckpointConfig, networkOf, type NetworkRecord } from "../../artifacts/checkpoint.ts";
import type { ImagesInfo } from "../../artifacts/images.ts";
import type { ContextOf, StageEnd } from "../../contract/stage.ts";
import type { Path } from "../../diffusion/define.ts";
import type { GradientOptions } from "../../diffusion/gradient_step.ts";
import { freeLoss, needsChain } from "../../diffusion/loss_tables.ts";
import type { Network } from "../../diffusion/network.ts";
import { BUILTIN_NETWORK } from "../../diffusion/networks.ts";
import { makeObjective } from "../../diffusion/objective.ts";
import { DEFAULT_OBJECTIVE, OBJECTIVES } from "../../diffusion/objectives.ts";
import { atWholeTimes } from "../../diffusion/path.ts";
import { isOwn } from "../../schemas/definitions.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { buildNetwork, checkLossCode, checkNetworkCode, type CodeProblem } from "../shared/definition_checks.ts";
import { type NamedOwn, ownNamed } from "../shared/own.ts";
import { describeProblem } from "../shared/run_of.ts";
import { sizesFor, type trainKind } from "./kind.ts";
import type { TrainParams } from "./params.ts";

type Context = Pick<ContextOf<typeof trainKind>, "params" | "definitions">;

/** What a training computes with: of the toolkit or of the user's own. */
export interface Science {
  readonly network: Network;
  readonly params: Omit<TrainParams, "model" | "objective"> & GradientOptions & { readonly path: Path };
  /** What a checkpoint says of them. */
  readonly config: Pick<CheckpointConfig, "model" | "objective" | "ownSampler">;
  /** Files of the user's own definitions. */
  readonly files: readonly string[];
}

/** Everything that a stage's params and the path stand for, or what is wrong with the code of the user's own. */
export async function scienceOf(
  { params: { model, objective, ...params }, definitions }: Context,
  images: ImagesInfo,
  path: Path,
): Promise<Science | StageEnd> {
  const ownNetwork = isOwn(model) ? ownNamed("network", model, definitions) : undefined;
  const ownObjective = isOwn(objective) ? ownNamed("objective", objective, definitions) : undefined;
  const sizes = sizesFor(params, images);
  const record = isOwn(model) ? ownRecord(ownNetwork!, sizes) : BUILTIN_NETWORK.recordOf(sizes, model);
  const built = ownNetwork === undefined
    ? { network: await networkOf(record, []) }
    : buildNetwork(ownNetwork.definition, sizes, ownNetwork.params);
  if ("problem" in built) return failed([[ownNetwork!.uses, built.problem]]);
  const { network } = built;
  const learned = isOwn(objective)
    ? makeObjective(ownObjective!.definition, ownObjective!.params)
    : makeObjective(OBJECTIVES[objective], {});
  const loss = { ...params, objective: learned };
  const options = { ...loss, path: needsChain(loss) ? atWholeTimes(path) : path };
  const files = [ownNetwork, ownObjective].flatMap((one) => one === undefined ? [] : [one.uses]);
  if (files.length > 0) {
    const about = (file: string) => (problem: CodeProblem) => [file, problem] as const;
    const ofNetwork = ownNetwork === undefined ? [] : await checkNetworkCode(network);
    // Of a network that does not fit, the loss would say the same.
    const ofLoss = ofNetwork.length > 0 ? [] : await checkLossCode(network, options);
    const problems = [...ofNetwork.map(about(files[0]!)), ...ofLoss.map(about(files.at(-1)!))];
    if (problems.length > 0) return failed(problems);
  }
  const named = ownObjective?.record ?? (objective === DEFAULT_OBJECTIVE ? undefined : objective);
  return {
    network,
    params: options,
    config: {
      model: record,
      ...definedOnly({ objective: named as CheckpointConfig["objective"], ownSampler: freeLoss(learned)?.sampler }),
    },
    files,
  };
}

function ownRecord({ record }: NamedOwn, { channels, ...sizes }: Network["sizes"]): NetworkRecord {
  return { ...record, params: { ...record.params }, ...sizes, inChannels: channels };
}

function failed(problems: readonly (readonly [file: string, problem: CodeProblem])[]): StageEnd {
  const message = problems.map(([file, problem]) => `${file}: ${describeProblem(problem)}`).join("; ");
  return {
    status: "failed",
    message,
    ...definedOnly({ fix: problems.find(([, { fix }]) => fix !== undefined)?.[1].fix }),
  };
}
