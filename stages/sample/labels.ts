import { oneHotLabels } from "../../diffusion/model_output.ts";
import type { SampleParams } from "../../schemas/kinds/sample.ts";

/** The label of an image by its index; undefined is none. */
export type LabelOf = (image: number) => number | undefined;

/** Labels as the params say, for a network that is told `classes` of them; undefined for one that is told none. */
export function makeLabels({ labels = "cycle" }: Pick<SampleParams, "labels">, classes: number | undefined) {
  if (classes === undefined) return undefined;
  const labelOf: LabelOf = labels === "none"
    ? () => undefined
    : labels === "cycle"
    ? (image) => image % classes
    : (image) => labels[image % labels.length];
  return {
    classes,
    labelOf,
    /** What the network takes for the images from `first` on. */
    oneHot: (first: number, count: number) =>
      oneHotLabels(Array.from({ length: count }, (_, i) => labelOf(first + i)), classes),
  };
}

export type Labels = NonNullable<ReturnType<typeof makeLabels>>;
