/** Why a network or schedule of one library is none of the other. */
export interface InterchangeProblem {
  readonly message: string;
  readonly got: string;
  readonly wanted: string;
  readonly fix: string;
}

export type Translated<T> = { readonly value: T } | { readonly problem: InterchangeProblem };
