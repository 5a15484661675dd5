import type { AutoencoderDefinition } from "./define.ts";
import {
  autoencoderConfig,
  autoencoderParams,
  autoencoderRecord,
  checkAutoencoder,
  downsamplingOf,
  latentSizes,
} from "./autoencoder/config.ts";
import { autoencoderWork } from "./autoencoder/work.ts";

/** The built-in autoencoders, for params and records that name no file, as `BUILTIN_NETWORK` for networks. */
export const BUILTIN_AUTOENCODER = {
  params: autoencoderParams,
  /** The schema of an artifact's record of the autoencoder. */
  record: autoencoderRecord,
  /** Returns the record of an autoencoder with given params for images of a given size. */
  recordOf: autoencoderConfig,
  /** Returns the size of the latents of a record's autoencoder. */
  latentOf: latentSizes,
  downsamplingOf,
  work: autoencoderWork,
  check: checkAutoencoder,
  load: async () => (await import("./autoencoder/network.ts")).default as unknown as AutoencoderDefinition,
} as const;
