import type { CheckProblem } from "../contract.ts";
import { sizeText } from "./facts.ts";

interface Size {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** A problem with input `port` if its images are not of the size of what `other` names. */
export function differentSize(
  port: string,
  images: Size,
  other: { readonly name: string; readonly size: Size },
): CheckProblem | undefined {
  const [got, wanted] = [sizeText(images), sizeText(other.size)];
  if (got === wanted) return undefined;
  return {
    input: port,
    message: `images of another size than ${other.name}`,
    got,
    wanted,
    fix: "use images of the same size on both inputs",
  };
}
