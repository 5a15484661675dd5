import type { z } from "zod";
import type { AugmentationDefinition } from "./define.ts";
import { namedParams } from "./named_params.ts";
import colour from "./augmentations/colour.ts";
import crop from "./augmentations/crop.ts";
import edm from "./augmentations/edm.ts";
import shift from "./augmentations/shift.ts";

/** The built-in augmentations. */
const BUILT_IN = { crop, shift, colour, edm };

/** Params of the built-in augmentations: a name, with its params beside it. */
export const augmentationParams = namedParams(BUILT_IN);

/** An augmentation with its params. */
export interface ChosenAugmentation {
  readonly definition: AugmentationDefinition;
  readonly params: object;
  /** The user's file; undefined for a built-in augmentation. */
  readonly uses?: string;
}

/** Returns a built-in augmentation and its params. */
export function builtinAugmentation({ name, ...params }: z.output<typeof augmentationParams>): ChosenAugmentation {
  return { definition: BUILT_IN[name] as unknown as AugmentationDefinition, params };
}

/** The most numbers that a network is told of one image. */
const MOST_CONDITIONS = 1024;

/** Returns the length of the vector that the network is told. @throws RangeError for an invalid one */
export function conditionsOf({ definition, params }: Pick<ChosenAugmentation, "definition" | "params">): number {
  const length = definition.conditions?.(params as never) ?? 0;
  if (Number.isInteger(length) && length >= 0 && length <= MOST_CONDITIONS) return length;
  throw new RangeError(`conditions: got ${length}, wanted an integer from 0 to ${MOST_CONDITIONS}`);
}
