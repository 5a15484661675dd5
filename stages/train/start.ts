import type { CheckpointFacts, NetworkFacts } from "../../artifacts/facts.ts";
import type { CheckProblem } from "../../engine/contract/stage.ts";
import type { NetworkSizes } from "../../science/diffusion/define.ts";
import { describeMisfits, type Shapes, shapesOf } from "../../science/diffusion/misfits.ts";
import { BUILTIN_NETWORK } from "../../science/diffusion/networks.ts";
import { AUGMENTATION_EMBEDDING } from "../../science/diffusion/unet/plan.ts";
import { isOwn, type OwnParam } from "../../schemas/definitions.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { didYouMean, listNames } from "../../std/did_you_mean.ts";
import { problemsOf } from "../shared/checks.ts";
import type { TrainParams } from "./params.ts";

const USE_START = "write model: start, for the network of the checkpoint";

type BuiltinRecord = Exclude<NetworkFacts, OwnParam>;
type Classes = Pick<CheckpointFacts, "classes" | "classNames">;

/**
 * Compares the weights of a checkpoint with the network that they are to start. Parameters that depend on the classes
 * are initialised if the classes are others, and so is the layer that is told of an augmentation; all others must fit.
 *
 * @param given the shapes of the checkpoint's weights
 * @param parametersFor returns the parameters of the network for any number of classes
 * @returns the names of the parameters to initialise, and a description of all that do not fit
 */
export function compareStart(
  given: Shapes,
  { from, to, parametersFor }: {
    readonly from: Classes;
    readonly to: Classes;
    readonly parametersFor: (classes: number | undefined) => Parameters<typeof shapesOf>[0];
  },
) {
  const [theirs, ours] = [from.classes ?? undefined, to.classes ?? undefined];
  const areSameNames = !from.classNames || !to.classNames || `${from.classNames}` === `${to.classNames}`;
  const wanted = shapesOf(parametersFor(ours));
  // Other classes: the parameters that depend on them have other shapes in a network with theirs, or with one more.
  const others = theirs === ours && areSameNames ? [] : [theirs, (ours ?? 0) + 1].map(parametersFor).map(shapesOf);
  const names = [...new Set([wanted, ...others].flatMap((shapes) => [...shapes.keys()]))];
  const anew = new Set(names.filter((name) => others.some((one) => `${one.get(name)}` !== `${wanted.get(name)}`)));
  const [told, tells] = [given, wanted].map((shapes) => `${shapes.get(AUGMENTATION_EMBEDDING)}`);
  if (told !== tells) anew.add(AUGMENTATION_EMBEDDING);
  const rest = (shapes: Shapes) => new Map([...shapes].filter(([name]) => !anew.has(name)));
  return {
    initialised: [...anew].filter((name) => wanted.has(name)),
    misfits: describeMisfits(rest(given), rest(wanted)),
  };
}

/** The most weights that do not fit that a message names. */
const MOST_NAMED = 5;

/**
 * Reports weights that do not fit the network, and frozen parameters that would keep the random values that they start
 * with.
 *
 * @param settings describes the settings in which the two networks differ, if they are known
 */
export function fitProblems(
  { misfits, initialised }: ReturnType<typeof compareStart>,
  { model, frozen, settings = [] }: Pick<TrainParams, "model"> & {
    readonly frozen: ReadonlySet<string>;
    readonly settings?: readonly string[];
  },
): CheckProblem[] {
  const more = misfits.length - MOST_NAMED;
  const random = initialised.filter((name) => frozen.has(name));
  return problemsOf(
    misfits.length > 0 && {
      input: "start",
      message: "the weights of the checkpoint do not fit the network",
      got: [
        ...settings,
        ...misfits.slice(0, MOST_NAMED),
        ...more > 0 ? [`and ${more} more`] : [],
      ].join("\n"),
      wanted: "every parameter of the network, and no others",
      fix: model === "start"
        ? "take images with the channels that it was trained on, and variance as it was"
        : USE_START,
    },
    random.length > 0 && {
      param: ["freeze"],
      message: "parameters that start anew cannot be frozen: they would keep their random values",
      got: random.join(", "),
      wanted: "parameters that the checkpoint has",
      fix: "write patterns that leave them out",
    },
  );
}

/**
 * Returns the model of a `train` stage, with that of the checkpoint in place of `start`; undefined if nobody knows yet.
 * @param network of the checkpoint
 */
export function modelOf(
  { model }: Pick<TrainParams, "model">,
  network: NetworkFacts | undefined,
  images: Pick<NetworkSizes, "height">,
): Exclude<TrainParams["model"], "start"> | undefined {
  if (model !== "start") return model;
  return network === undefined || isOwn(network) ? network : BUILTIN_NETWORK.paramsOf(network, images);
}

/** Returns what decides the shapes and the function of a network, for images of this height. */
function settingsOf(record: BuiltinRecord, height: number): ReadonlyMap<string, unknown> {
  const params = Object.entries(BUILTIN_NETWORK.paramsOf(record, { height }));
  const channels = { "channels of the images": record.inChannels, "channels of the output": record.outChannels };
  return new Map([...Object.entries(channels), ...params.map(([name, value]) => [`model.${name}`, value] as const)]);
}

/** Checks patterns and a start against a built-in network, before anything runs. */
export function checkBuiltin(
  { model, freeze }: Pick<TrainParams, "model" | "freeze">,
  start: CheckpointFacts | undefined,
  { network, classNames }: { readonly network: BuiltinRecord } & Pick<Classes, "classNames">,
): CheckProblem[] {
  const { classes, ...plain } = network;
  const parametersFor = (classes: number | undefined) =>
    BUILTIN_NETWORK.parameters({ ...plain, ...definedOnly({ classes }) });
  const { frozen, problems } = frozenBy(freeze, parametersFor(classes).map(({ name }) => name));
  const theirs = start?.network;
  if (theirs === undefined || isOwn(theirs)) return problems;
  const given = shapesOf(BUILTIN_NETWORK.parameters(theirs));
  const fit = compareStart(given, { from: start!, to: { classes, classNames }, parametersFor });
  const settings = describeMisfits(settingsOf(theirs, network.imageSize), settingsOf(network, network.imageSize));
  const details = BUILTIN_NETWORK.details.filter((name) => network[name] !== theirs[name]);
  return problemsOf(
    problems,
    fitProblems(fit, { model, frozen, settings }),
    fit.misfits.length === 0 && details.map((name) => ({
      param: ["model"],
      message: `the weights fit the network, but belong to another function: model.${name}`,
      got: `${network[name] ?? "its default"}`,
      wanted: `${theirs[name] ?? "its default"}`,
      fix: USE_START,
    })),
  );
}

/**
 * Returns the parameters that patterns freeze, or everything that is wrong with the patterns.
 * @param names of all parameters
 */
export function frozenBy(patterns: readonly string[], names: readonly string[]) {
  const found = patterns.map((pattern) => names.filter(matcher(pattern)));
  const frozen = new Set(found.flat());
  const problems = patterns.flatMap((got, i): CheckProblem[] => {
    const wanted = "the name of a parameter, or a pattern with * for any text";
    const problem = { param: ["freeze", i], message: "no parameter has this name", got, wanted };
    return found[i]!.length > 0 ? [] : [{ ...problem, fix: nearPattern(got, names) }];
  });
  if (frozen.size === names.length) {
    const message = "all parameters are frozen, and none is left to train";
    problems.push({ param: ["freeze"], message, got: patterns.join(", "), fix: "name fewer parameters" });
  }
  return { frozen, problems };
}

function matcher(pattern: string): (name: string) => boolean {
  const text = new RegExp(`^${pattern.split("*").map((part) => RegExp.escape(part)).join(".*")}$`);
  return (name) => text.test(name);
}

/** Suggests the pattern with its wrong parts mended, or lists the patterns that may stand where no part is near. */
function nearPattern(pattern: string, names: readonly string[]): string {
  const all = [...new Set(names.flatMap((name) => name.split(".")))];
  /** Returns the pattern of these parts, or that of what is below them, if some parameter has such a name. */
  const near = (...parts: readonly string[]) =>
    [parts.join("."), [...parts, "*"].join(".")].find((one) => names.some(matcher(one)));
  const mended: string[] = [];
  for (const part of pattern.split(".")) {
    const known = all.filter((one) => near(...mended, one) !== undefined);
    const right = near(...mended, part) === undefined ? didYouMean(part, known) : part;
    // Nothing follows the name of a parameter.
    if (known.length === 0) break;
    if (right === undefined) return listNames(known.map((one) => near(...mended, one)!));
    mended.push(right);
  }
  return `did you mean "${near(...mended)}"?`;
}
