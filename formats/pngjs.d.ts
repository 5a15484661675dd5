import type { Buffer } from "node:buffer";

/** The parts of pngjs that noiseline uses; the package's own types would bring in those of Node. */
export const PNG: {
  readonly sync: { read(png: Buffer): { readonly width: number; readonly height: number; readonly data: Buffer } };
};
