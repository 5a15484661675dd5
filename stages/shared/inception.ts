import type { PublishedFile } from "../dataset/published.ts";

/** The network that the FID, the KID and the Inception Score are defined by. */
export const INCEPTION = "inception-2015-12-05";

/** Its weights as PyTorch saved them, made from http://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz */
export const INCEPTION_WEIGHTS: PublishedFile = {
  name: "pt_inception-2015-12-05-6726825d.pth",
  sha256: "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
  bytes: 95_628_359,
};

/** Releases of pytorch-fid, and of torch-fidelity, which has the same bytes. */
export const INCEPTION_HOMES = [
  `https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/${INCEPTION_WEIGHTS.name}`,
  "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
];
/** Where GitHub keeps files of releases. */
export const INCEPTION_REDIRECTS = ["release-assets.githubusercontent.com", "objects.githubusercontent.com"];

/** Arithmetic for one image. */
export const INCEPTION_GFLOP = 11.4;

/** What features over the network are called: other weights make another extractor. */
export function inceptionName(sha256 = INCEPTION_WEIGHTS.sha256): string {
  return sha256 === INCEPTION_WEIGHTS.sha256 ? INCEPTION : `inception-${sha256.slice(0, 8)}`;
}

/** Whether distances have the names that the literature knows. Statistics that were given have no digest, but a name. */
export function isInception({ name, sha256 }: { readonly name: string; readonly sha256: string | null }): boolean {
  return name === INCEPTION && (sha256 ?? INCEPTION_WEIGHTS.sha256) === INCEPTION_WEIGHTS.sha256;
}
