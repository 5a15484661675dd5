import type { AutoencoderCode, ImageSizes } from "../define.ts";
import { checkBuilt, countOf } from "../network.ts";

/** An autoencoder for images of one size, whose code was checked. */
export interface Autoencoder extends AutoencoderCode {
  readonly sizes: ImageSizes;
  /** Number of all parameters. */
  readonly count: number;
}

/**
 * Checks an autoencoder's code.
 *
 * @throws RangeError as `checkBuilt`, and for latents without a valid size
 */
export function makeAutoencoder(sizes: ImageSizes, code: AutoencoderCode): Autoencoder {
  const { parameters, latent, encode, decode } = code;
  checkBuilt(parameters, { encode, decode });
  const { height, width, channels } = latent ?? {};
  if (![height, width, channels].every((side) => Number.isSafeInteger(side) && side! > 0)) {
    const got = `${height}x${width}x${channels}`;
    throw new RangeError(`Size of the latents: got ${got}, wanted positive integers { height, width, channels }`);
  }
  return { ...code, sizes, count: countOf(parameters) };
}
