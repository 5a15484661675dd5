import type { FeaturesParams } from "../../schemas/kinds/features.ts";
import type { DownloadExternal } from "../contract.ts";

/** A graph is one message of protobuf, which can have no more. */
const MAX_GRAPH_BYTES = 2 ** 31;

/** The graph that a stage fetches; none where it lies at a path. */
export function graphDownloads({ extractor, path, url, sha256 }: FeaturesParams): DownloadExternal[] {
  if (extractor !== "onnx" || path !== undefined || url === undefined || sha256 === undefined) return [];
  // Named like the param whose content it stands in for: the graph is the same, however it came.
  return [{ name: "path", sha256, maxBytes: MAX_GRAPH_BYTES, urls: [url] }];
}
