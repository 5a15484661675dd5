import { oneHotLabels } from "../../diffusion/model_output.ts";
import type { SampleParams } from "./params.ts";
import { labelNumber, type Labels as KnownLabels } from "../../artifacts/class_names.ts";

/** The label of an image by its index; undefined is none. */
export type LabelOf = (image: number) => number | undefined;

/** Labels as the params say, for a class-conditional network; undefined for another. */
export function makeLabels(
  { labels = "cycle" }: Pick<SampleParams, "labels">,
  { classes, classNames }: Partial<KnownLabels>,
) {
  if (classes === undefined) return undefined;
  const numbers = Array.isArray(labels) ? labels.map((label) => labelNumber(label, { classes, classNames })) : [];
  const labelOf: LabelOf = labels === "none"
    ? () => undefined
    : labels === "cycle"
    ? (image) => image % classes
    : (image) => numbers[image % numbers.length];
  return {
    classes,
    labelOf,
    /** What the network takes for the images from `first` on. */
    oneHot: (first: number, count: number) =>
      oneHotLabels(Array.from({ length: count }, (_, i) => labelOf(first + i)), classes),
  };
}

export type Labels = NonNullable<ReturnType<typeof makeLabels>>;
