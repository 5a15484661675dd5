import type { ExtractorInfo } from "../../artifacts/features.ts";
import { resizeParam } from "./common_params.ts";

/** The network that the FID, the KID and the Inception Score are defined with. */
export const INCEPTION = "inception-2015-12-05";

/**
 * The network's weights as PyTorch saved them, made from
 * http://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz
 */
export const INCEPTION_WEIGHTS = {
  sha256: "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
  bytes: 95_628_359,
  /** Releases of pytorch-fid, and of torch-fidelity, which has the same bytes. */
  urls: [
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
  ],
  /** Hosts on which GitHub stores the files of releases. */
  redirects: ["release-assets.githubusercontent.com", "objects.githubusercontent.com"],
};

/** Arithmetic for one image. */
export const INCEPTION_GFLOP = 11.4;

/** Returns the name of the extractor: other weights make another extractor. */
export function inceptionName(sha256 = INCEPTION_WEIGHTS.sha256): string {
  return sha256 === INCEPTION_WEIGHTS.sha256 ? INCEPTION : `inception-${sha256.slice(0, 8)}`;
}

/** True if features are those of the network, whatever its weights. */
export function isInceptionArchitecture(extractor: unknown): boolean {
  return typeof extractor === "string" && extractor.startsWith("inception-");
}

/**
 * True if scores may have the names that the literature knows: FID, KID, Inception Score. Statistics that the user gave
 * have no digest, so the user's word counts.
 */
export function isInception({ extractor, logits }: {
  readonly extractor: ExtractorInfo;
  readonly logits?: { readonly classes: number } | undefined;
}): boolean {
  const { name, sha256, dimension, preprocessing } = extractor;
  const weights = preprocessing["file"] === "given" && sha256 === null || sha256 === INCEPTION_WEIGHTS.sha256;
  const resized = resizeParam().unwrap().safeParse(preprocessing["resize"]).success;
  return name === INCEPTION && weights && resized && dimension === 2048 && (logits?.classes ?? 1008) === 1008;
}
