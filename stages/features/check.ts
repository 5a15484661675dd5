import { z } from "zod";
import type { FeaturesParams } from "../../schemas/kinds/features.ts";
import type { CheckProblem, Facts } from "../contract.ts";
import type { ImageFacts } from "../shared/facts.ts";
import { checkSameSize } from "../shared/same_size.ts";

/** Params that belong to graphs. */
const GRAPH_PARAMS = ["path", "url", "sha256", "preprocess", "output", "logits"] as const;

const sizeSchema = z.object({ height: z.int(), width: z.int(), channels: z.int() });

/** Everything that keeps features from being made; what is not known is not checked. */
export function checkFeatures(
  params: FeaturesParams,
  { images, classifier }: { readonly images: ImageFacts | undefined; readonly classifier: Facts | undefined },
): CheckProblem[] {
  const problems: CheckProblem[] = [];
  const { extractor, path, url, sha256, preprocess } = params;
  if (extractor === "onnx") {
    if ((path === undefined) === (url === undefined)) {
      problems.push({
        param: ["extractor"],
        message: "extractor onnx needs a graph",
        got: path === undefined ? "neither path nor url" : "both path and url",
        wanted: "path, or url with sha256",
        fix: "add path: ./extractor.onnx; docs/metrics.md says how to make one",
      });
    }
    if (url !== undefined && sha256 === undefined) {
      const message = "what is fetched must be known by its content";
      problems.push({ param: ["url"], message, wanted: "sha256", fix: "add sha256 of the file" });
    }
    if (preprocess === undefined) {
      problems.push({
        param: ["extractor"],
        message: "a graph does not say what images it takes",
        wanted: "preprocess",
        fix: "add preprocess: { size: 299 }; see docs/metrics.md",
      });
    }
  } else {
    for (const name of GRAPH_PARAMS) {
      if (params[name] === undefined) continue;
      const message = `${name} is of extractor onnx`;
      problems.push({ param: [name], message, fix: `remove ${name}, or use extractor: onnx` });
    }
  }
  const known = sizeSchema.safeParse(classifier).data;
  if (extractor !== "classifier") return problems;
  return problems.concat(checkSameSize("images", images, { name: "those of the classifier", size: known }));
}
