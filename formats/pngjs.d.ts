import type { Buffer } from "node:buffer";

/** The parts of pngjs that noiseline uses. The package's own types would bring in Node's. */
export const PNG: {
  readonly sync: { read(png: Buffer): { readonly width: number; readonly height: number; readonly data: Buffer } };
};
