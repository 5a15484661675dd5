import type { CheckProblem } from "../../contract/stage.ts";
import { type ImageSize, sizeText } from "../../artifacts/facts.ts";

/** A problem with input `port` if its images are not of the size of what `other` names; what is not known is not checked. */
export function checkSameSize(
  port: string,
  images: ImageSize | undefined,
  other: { readonly name: string; readonly size: ImageSize | undefined },
): CheckProblem[] {
  if (images === undefined || other.size === undefined) return [];
  const [got, wanted] = [sizeText(images), sizeText(other.size)];
  if (got === wanted) return [];
  const fix = "use images of the same size on both inputs";
  return [{ input: port, message: `images of another size than ${other.name}`, got, wanted, fix }];
}
