import type { DefinitionProblem } from "../define.ts";

/** A reason why a network or schedule of one library cannot be expressed in the other. */
export type InterchangeProblem = Required<Omit<DefinitionProblem, "severity" | "param">>;

export type Translated<T> = { readonly value: T } | { readonly problem: InterchangeProblem };
