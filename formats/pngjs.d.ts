import type { Buffer } from "node:buffer";

/** What is used of it; types of the package itself would bring those of Node. */
export const PNG: {
  readonly sync: { read(png: Buffer): { readonly width: number; readonly height: number; readonly data: Buffer } };
};
