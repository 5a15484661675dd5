import type { CheckProblem } from "../contract.ts";
import { sizeText } from "./facts.ts";

interface Size {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** A problem with input `port` if its images are not of the size of what `other` names; what is not known is not checked. */
export function checkSameSize(
  port: string,
  images: Size | undefined,
  other: { readonly name: string; readonly size: Size | undefined },
): CheckProblem[] {
  if (images === undefined || other.size === undefined) return [];
  const [got, wanted] = [sizeText(images), sizeText(other.size)];
  if (got === wanted) return [];
  const fix = "use images of the same size on both inputs";
  return [{ input: port, message: `images of another size than ${other.name}`, got, wanted, fix }];
}
