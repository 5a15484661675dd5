import { z } from "zod";
import type { FeaturesParams } from "./params.ts";
import type { CheckProblem, Facts } from "../../contract/stage.ts";
import type { ImageFacts } from "../../artifacts/facts.ts";
import { INCEPTION, INCEPTION_WEIGHTS, inceptionName } from "../shared/inception.ts";
import { checkNamedFile } from "../shared/named_file.ts";
import { checkSameSize } from "../shared/same_size.ts";

/** The params that some extractors have, beside those of all. */
const PARAMS: Partial<Record<FeaturesParams["extractor"], readonly (keyof FeaturesParams)[]>> = {
  onnx: ["path", "url", "sha256", "preprocess", "output", "logits"],
  [INCEPTION]: ["path", "url", "sha256", "resize"],
};

const sizeSchema = z.object({ height: z.int(), width: z.int(), channels: z.int() });

/** Everything that keeps features from being made; what is not known is not checked. */
export function checkFeatures(
  params: FeaturesParams,
  { images, classifier }: { readonly images: ImageFacts | undefined; readonly classifier: Facts | undefined },
): CheckProblem[] {
  const { extractor, path, url, sha256, preprocess } = params;
  const own = PARAMS[extractor] ?? [];
  const misplaced = [...new Set(Object.values(PARAMS).flat())].filter((name) =>
    params[name] !== undefined && !own.includes(name)
  );
  const problems: CheckProblem[] = misplaced.map((name) => ({
    param: [name],
    message: `${name} does not go with extractor ${extractor}`,
    fix: `remove ${name}`,
  }));
  if (extractor === "onnx") {
    if (path === undefined && url === undefined) {
      problems.push({
        param: ["extractor"],
        message: "extractor onnx needs a graph",
        wanted: "path, or url with sha256",
        fix: "add path: ./extractor.onnx; docs/metrics.md says how to make one",
      });
    }
    if (preprocess === undefined) {
      problems.push({
        param: ["extractor"],
        message: "a graph does not say which images it expects",
        wanted: "preprocess",
        fix: "add preprocess: { size: 299 }; see docs/metrics.md",
      });
    }
    problems.push(...checkNamedFile(params));
  }
  if (extractor === INCEPTION) {
    problems.push(...checkNamedFile({ ...params, sha256: sha256 ?? INCEPTION_WEIGHTS.sha256 }));
    if (path === undefined && url === undefined && inceptionName(sha256) !== INCEPTION) {
      const message = "only the published weights have a default address";
      problems.push({ param: ["sha256"], message, fix: "add path or url, or remove sha256" });
    }
    if (images !== undefined && images.channels !== 1 && images.channels !== 3) {
      const [got, wanted] = [`${images.channels} channels`, "1 or 3"];
      problems.push({ input: "images", message: "the network takes pictures in grey or RGB", got, wanted });
    }
  }
  const known = sizeSchema.safeParse(classifier).data;
  if (extractor !== "classifier") return problems;
  return problems.concat(checkSameSize("images", images, { name: "those of the classifier", size: known }));
}
