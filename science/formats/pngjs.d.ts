import type { Buffer } from "node:buffer";

/** The parts of pngjs that noiseline uses. The package's own types would bring in Node's. */
export const PNG: {
  readonly sync: {
    read(png: Buffer, options: { readonly skipRescale: boolean }): {
      readonly width: number;
      readonly height: number;
      /** RGB and alpha; 16 bits a sample if the file has them and they are not rescaled. */
      readonly data: Buffer | Uint16Array;
    };
  };
};
