import type { Kind } from "../keys/kind.ts";

/** A custom stage file together with the params that the pipeline gives to it. */
export interface CustomRequest {
  /** Absolute path of the stage file. */
  readonly file: string;
  /** The path as the pipeline file writes it. */
  readonly written: string;
  readonly params: readonly unknown[];
}

export type CustomOutcome = { readonly kind: Kind } | { readonly error: string; readonly fix: string };
