import type { FeaturesParams } from "./params.ts";
import type { DownloadExternal } from "../../contract/stage.ts";
import { INCEPTION, INCEPTION_HOMES, INCEPTION_REDIRECTS, INCEPTION_WEIGHTS } from "../shared/inception.ts";
import { namedDownloads } from "../shared/named_file.ts";

/** A graph is one message of protobuf, which can have no more. */
export const MAX_FILE_BYTES = 2 ** 31;

/** The weights or the graph that a stage fetches, or that must lie at its path. */
export function extractorDownloads(params: FeaturesParams): DownloadExternal[] {
  const { extractor, path, url, sha256 } = params;
  if (extractor === "onnx") return namedDownloads(params, MAX_FILE_BYTES);
  if (extractor !== INCEPTION) return [];
  if (sha256 !== undefined && sha256 !== INCEPTION_WEIGHTS.sha256) return namedDownloads(params, MAX_FILE_BYTES);
  const urls = path === undefined ? url === undefined ? INCEPTION_HOMES : [url] : [];
  const { sha256: published, bytes: maxBytes } = INCEPTION_WEIGHTS;
  return [{ name: "path", sha256: published, maxBytes, urls, redirects: INCEPTION_REDIRECTS }];
}
