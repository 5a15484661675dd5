import type { DefinitionProblem } from "../define.ts";

/** Why a network or schedule of one library is none of the other. */
export type InterchangeProblem = Required<Omit<DefinitionProblem, "severity" | "param">>;

export type Translated<T> = { readonly value: T } | { readonly problem: InterchangeProblem };
