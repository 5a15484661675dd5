import type { ClassifierParams } from "./params.ts";
import type { CheckProblem } from "../../contract/stage.ts";
import type { ImageFacts } from "../../artifacts/facts.ts";
import { checkBatchSize } from "../shared/check_batch_size.ts";
import { checkSameSize } from "../shared/same_size.ts";

/** Everything that keeps a classifier from learning; images that are not known are not checked. */
export function checkClassifier(
  { batchSize }: Pick<ClassifierParams, "batchSize">,
  { images, test }: { readonly images: ImageFacts | undefined; readonly test: ImageFacts | undefined },
): CheckProblem[] {
  const problems: CheckProblem[] = [];
  for (const [input, set] of [["images", images], ["test", test]] as const) {
    if (set?.classes !== null) continue;
    problems.push({
      input,
      message: "a classifier needs labels, and these images have none",
      got: "images without labels",
      wanted: "a data set with labels",
      fix: "use a data set with labels, or another extractor",
    });
  }
  const sameSize = checkSameSize("test", test, { name: "those to learn from", size: images });
  return [...problems, ...checkBatchSize(batchSize, images?.count), ...sameSize];
}
