import type { NetworkDefinition } from "./define.ts";
import { checkUnet, unetConfig, unetParams, unetRecord, unetSizes } from "./unet/config.ts";
import { activationCount, forwardGflop, parameterCount, unetShape } from "./unet/work.ts";

/**
 * The network that comes with the toolkit, of params and records that name no file: what a plan asks of it, and where its
 * code is, which needs TF.js.
 */
export const BUILTIN_NETWORK = {
  params: unetParams,
  /** How a checkpoint says which one it has. */
  record: unetRecord,
  /** The record of a network of such params for images of such a size. */
  recordOf: unetConfig,
  sizesOf: unetSizes,
  check: checkUnet,
  forwardGflop,
  activationCount,
  parameterCount,
  shape: unetShape,
  load: async () => (await import("./unet/network.ts")).default as unknown as NetworkDefinition,
} as const;
