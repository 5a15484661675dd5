import type { CheckpointFacts, NetworkFacts } from "../../artifacts/facts.ts";
import type { CheckProblem } from "../../contract/stage.ts";
import type { NetworkSizes } from "../../diffusion/define.ts";
import { describeMisfits, type Shapes, shapesOf } from "../../diffusion/misfits.ts";
import { BUILTIN_NETWORK } from "../../diffusion/networks.ts";
import { AUGMENTATION_EMBEDDING } from "../../diffusion/unet/plan.ts";
import { isOwn } from "../../schemas/definitions.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { didYouMean, listNames } from "../../std/did_you_mean.ts";
import type { TrainParams } from "./params.ts";

const USE_START = "write model: start, for the network of the checkpoint";

type Classes = Pick<CheckpointFacts, "classes" | "classNames">;

/**
 * Returns numbers of classes for which to build the network as well, to see which parameters depend on them: the
 * checkpoint's, and one more than are wanted. Empty if the classes are the same, so that all parameters are.
 */
export function otherClasses(from: Classes, to: Classes): readonly (number | undefined)[] {
  const [theirs, ours] = [from.classes ?? undefined, to.classes ?? undefined];
  const areSameNames = !from.classNames || !to.classNames || `${from.classNames}` === `${to.classNames}`;
  return theirs === ours && areSameNames ? [] : [theirs, (ours ?? 0) + 1];
}

/**
 * Compares the weights of a checkpoint with the network that they are to start. Parameters that depend on the classes
 * are initialised if the classes are others, and so is the layer that is told of an augmentation; all others must fit.
 *
 * @param given the shapes of the checkpoint's weights @param wanted the shapes of the network's parameters
 * @param others the same for the numbers of classes from `otherClasses`
 * @returns the names of the parameters to initialise, and a description of all that do not fit
 */
export function compareStart(given: Shapes, wanted: Shapes, others: readonly Shapes[]) {
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

/** Describes weights that do not fit. @param misfits at least one */
export function misfitProblem(misfits: readonly string[], model: TrainParams["model"]): CheckProblem {
  return {
    input: "start",
    message: "the weights of the checkpoint do not fit the network",
    got: misfits.join("\n"),
    wanted: "every parameter of the network, and no others",
    fix: model === "start" ? "take images with the channels that it was trained on, and variance as it was" : USE_START,
  };
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

/** Checks a start against a built-in network, before anything runs. */
export function checkStart(
  { model }: Pick<TrainParams, "model">,
  start: CheckpointFacts | undefined,
  { network, classNames }: { readonly network: NetworkFacts } & Pick<Classes, "classNames">,
): readonly CheckProblem[] {
  const theirs = start?.network;
  if (start === undefined || theirs === undefined || isOwn(network) || isOwn(theirs)) return [];
  const { classes, ...plain } = network;
  const build = (classes: number | undefined) =>
    shapesOf(BUILTIN_NETWORK.parameters({ ...plain, ...definedOnly({ classes }) }));
  const others = otherClasses(start, definedOnly({ classes, classNames })).map(build);
  const { misfits } = compareStart(shapesOf(BUILTIN_NETWORK.parameters(theirs)), build(classes), others);
  if (misfits.length > 0) return [misfitProblem(misfits, model)];
  return BUILTIN_NETWORK.details.filter((name) => network[name] !== theirs[name]).map((name) => ({
    param: ["model"],
    message: `the weights fit the network, but belong to another function: model.${name}`,
    got: `${network[name] ?? "its default"}`,
    wanted: `${theirs[name] ?? "its default"}`,
    fix: USE_START,
  }));
}

/**
 * Returns the parameters that patterns freeze, or everything that is wrong with the patterns.
 * @param names of all parameters
 */
export function frozenBy(patterns: readonly string[], names: readonly string[]) {
  const found = patterns.map((pattern) => {
    const text = pattern.split("*").map((part) => RegExp.escape(part)).join(".*");
    return names.filter((name) => new RegExp(`^${text}$`).test(name));
  });
  const frozen = new Set(found.flat());
  const problems = patterns.flatMap((got, i): CheckProblem[] => {
    const wanted = "the name of a parameter, or a pattern with * for any text";
    const problem = { param: ["freeze", i], message: "no parameter has this name", got, wanted };
    return found[i]!.length > 0 ? [] : [{ ...problem, fix: nearNames(got, names) }];
  });
  if (frozen.size === names.length) {
    const message = "all parameters are frozen, and none is left to train";
    problems.push({ param: ["freeze"], message, got: patterns.join(", "), fix: "name fewer parameters" });
  }
  return { frozen, problems };
}

/** Suggests a pattern whose beginning, up to its first `*`, is that of a parameter, or lists such beginnings. */
function nearNames(pattern: string, names: readonly string[]): string {
  const written = pattern.replace(/\.?\*.*$/, "");
  const depth = written.split(".").length;
  const known = [...new Set(names.map((name) => name.split(".").slice(0, depth).join(".")))];
  const near = didYouMean(written, known);
  return near === undefined ? listNames(known) : `did you mean "${near}${pattern.slice(written.length)}"?`;
}
