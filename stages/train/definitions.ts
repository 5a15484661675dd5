import { labelFacts, type NetworkRecord, objectiveOf } from "../../artifacts/checkpoint.ts";
import type { ImagesInfo } from "../../artifacts/images.ts";
import { classNamesOf } from "../../artifacts/labels.ts";
import { definitionByDigest } from "../../artifacts/own_definitions.ts";
import type { ContextOf, StageEnd } from "../../engine/contract/stage.ts";
import type { NetworkSizes, Path } from "../../science/diffusion/define.ts";
import { builtinAugmentation, type ChosenAugmentation, conditionsOf } from "../../science/diffusion/augmentations.ts";
import { freeLoss, needsChain } from "../../science/diffusion/loss_tables.ts";
import type { Network } from "../../science/diffusion/network.ts";
import { BUILTIN_NETWORK } from "../../science/diffusion/networks.ts";
import { DEFAULT_OBJECTIVE } from "../../science/diffusion/objectives.ts";
import { formOf } from "../../science/diffusion/normalizer.ts";
import { discretized, timePoint } from "../../science/diffusion/path.ts";
import { isOwn, type OwnRecord } from "../../schemas/definitions.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { failedBy, failedCode } from "../shared/checks.ts";
import { checkAugmentationCode, checkLossCode, checkNetworkCode } from "../shared/definition_checks.ts";
import { buildNetwork, checkObjectiveAt, type CodeProblem } from "../shared/definition_checks.ts";
import { definitionByFile } from "../shared/own_definitions.ts";
import { networkSizesFor, type trainKind } from "./kind.ts";
import { compareStart, fitProblems, frozenBy, modelOf } from "./start.ts";
import type { StartWeights } from "./start_weights.ts";

type UnetParams = Parameters<typeof BUILTIN_NETWORK.recordOf>[1];
type Context = Pick<ContextOf<typeof trainKind>, "params" | "definitions">;

/** The network, loss and settings of a training, built-in or the user's. */
export type TrainingSetup = Exclude<Awaited<ReturnType<typeof buildTrainingSetup>>, StageEnd>;

/**
 * Builds everything that a stage's params and the path stand for, or returns what is wrong with the user's code, with
 * the weights to start from, or with the patterns that freeze parameters.
 *
 * @param start the checkpoint that the training starts from
 */
export async function buildTrainingSetup(
  { params: { model, objective, augment, ...params }, definitions }: Context,
  images: ImagesInfo,
  path: Path,
  start?: StartWeights,
) {
  const theirs = model === "start" ? start!.config.model : undefined;
  const ownNetwork = isOwn(model)
    ? definitionByFile("network", model, definitions)
    : theirs !== undefined && "uses" in theirs
    ? { ...theirs, record: theirs, definition: definitionByDigest("network", theirs, definitions) }
    : undefined;
  const ownObjective = isOwn(objective) ? definitionByFile("objective", objective, definitions) : undefined;
  const augmentation: ChosenAugmentation | undefined = isOwn(augment)
    ? definitionByFile("augmentation", augment, definitions)
    : augment && builtinAugmentation(augment);
  const sizes = networkSizesFor(params, images, augmentation && conditionsOf(augmentation));
  const builtin = ownNetwork === undefined
    ? { definition: await BUILTIN_NETWORK.load(), params: modelOf({ model }, theirs, images) as UnetParams }
    : undefined;
  const { definition, params: modelParams } = builtin ?? ownNetwork!;
  const built = buildNetwork(definition, sizes, modelParams);
  if ("problem" in built) return failedCode(ownNetwork?.uses ?? "model", [built.problem]);
  const { parameters } = built.network;
  const { frozen, problems } = frozenBy(params.freeze, parameters.map(({ name }) => name));
  const network: Network = { ...built.network, frozen };
  const { classes, ...plain } = sizes;
  const fit = start && compareStart(start.shapes, {
    from: labelFacts(start.config),
    to: { classes, classNames: classNamesOf(images.source) },
    // A user's network may take no other number of classes: then no parameter depends on it.
    parametersFor: (classes) =>
      buildNetwork(definition, { ...plain, ...definedOnly({ classes }) }, modelParams).network?.parameters ??
        parameters,
  });
  const [unfit] = [...problems, ...fit === undefined ? [] : fitProblems(fit, { model, frozen })];
  if (unfit !== undefined) return failedBy(unfit);
  const named = isOwn(objective) ? ownObjective!.record : objective;
  const learned = objectiveOf({ objective: named }, definitions);
  const loss = { ...params, objective: learned, form: formOf(images) };
  const options = { ...loss, path: needsChain(loss) ? discretized(path) : path };
  const files = [ownNetwork, ownObjective].flatMap((one) => one === undefined ? [] : [one.uses]);
  // Only the first problem along the path is reported.
  const alongPath = () =>
    new Array(path.timesteps).keys().flatMap((t) => checkObjectiveAt(learned, timePoint(options.path, t))).take(1);
  const checks: readonly (readonly [string | undefined, () => Iterable<CodeProblem> | Promise<CodeProblem[]>])[] = [
    [augmentation?.uses, () => checkAugmentationCode(augmentation!, images)],
    [ownNetwork?.uses, () => checkNetworkCode(network)],
    [ownObjective?.uses, alongPath],
    [files.at(-1), () => checkLossCode(network, options)],
  ];
  for (const [file, find] of checks) {
    const problems = file === undefined ? [] : [...await find()];
    if (problems.length > 0) return failedCode(file!, problems);
  }
  return {
    network,
    augmentation,
    params: options,
    /** The records of network and objective for the checkpoint. */
    config: {
      model: builtin !== undefined
        ? BUILTIN_NETWORK.recordOf(sizes, builtin.params)
        : ownRecord(ownNetwork!.record, sizes),
      ...(named === DEFAULT_OBJECTIVE ? {} : { objective: named }),
      ...definedOnly({ ownSampler: freeLoss(learned)?.sampler }),
    },
    /** Files of the user's definitions. */
    files,
    /** Names of parameters that the checkpoint to start from does not have. */
    initialised: fit?.initialised ?? [],
  };
}

function ownRecord({ uses, code, params }: OwnRecord, { channels, ...sizes }: NetworkSizes): NetworkRecord {
  return { uses, code, params, ...sizes, inChannels: channels };
}
