import type { NetworkDefinition } from "./define.ts";
import { checkUnet, UNET_DETAILS, unetConfig, unetParams, unetParamsOf, unetRecord, unetSizes } from "./unet/config.ts";
import { unetParameterSpecs } from "./unet/plan.ts";
import { activationCount, forwardGflop, unetShape } from "./unet/work.ts";

/**
 * The built-in network, for params and records that name no file: the functions that planning needs, and a loader of
 * the network's code, which needs TF.js.
 */
export const BUILTIN_NETWORK = {
  params: unetParams,
  /** The schema of a checkpoint's record of the network. */
  record: unetRecord,
  /** Returns the record of a network with given params for images of a given size. */
  recordOf: unetConfig,
  sizesOf: unetSizes,
  /** Returns the params of a record's network for images of another size. */
  paramsOf: unetParamsOf,
  /** Returns all parameters of a record's network. */
  parameters: unetParameterSpecs,
  /** Params that change the function and no shape. */
  details: UNET_DETAILS,
  check: checkUnet,
  forwardGflop,
  activationCount,
  shape: unetShape,
  load: async () => (await import("./unet/network.ts")).default as unknown as NetworkDefinition,
} as const;
