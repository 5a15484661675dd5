import type { DefinitionProblem } from "../define.ts";

/** A reason why a network or schedule of one library cannot be expressed in the other. */
export type InterchangeProblem = Required<Omit<DefinitionProblem, "severity" | "param">>;

/** Makes the refusals of a library's networks of one sort, by the field of their configuration that does not fit. */
export function refusing(sort: string): (field: string, value: unknown, wanted: string) => Translated<never> {
  return (field, value, wanted) => {
    const message = `the ${sort}, the only ones supported: ${field}`;
    const got = typeof value === "string" ? value : JSON.stringify(value);
    const fix = "take one with that configuration; these weights belong to other functions";
    return { problem: { message, got, wanted, fix } };
  };
}

export type Translated<T> = { readonly value: T } | { readonly problem: InterchangeProblem };
