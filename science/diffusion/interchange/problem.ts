import type { DefinitionProblem } from "../define.ts";

/** A reason why a network or schedule of one library cannot be expressed in the other. */
export type InterchangeProblem = Required<Omit<DefinitionProblem, "severity" | "param">>;

/** Thrown for a network or schedule of one library that cannot be expressed in the other. */
export class InterchangeError extends Error {
  constructor(readonly problem: InterchangeProblem) {
    super(problem.message);
  }
}

/** Returns the reason why something cannot be translated; undefined if it can. */
export function problemOf(translate: () => unknown): InterchangeProblem | undefined {
  try {
    translate();
    return undefined;
  } catch (error) {
    if (error instanceof InterchangeError) return error.problem;
    throw error;
  }
}

/** Makes the refusals of a library's networks of one sort, by the field of their configuration that does not fit. */
export function refusing(sort: string): (field: string, value: unknown, wanted: string) => never {
  return (field, value, wanted) => {
    const message = `the ${sort}, the only ones supported: ${field}`;
    const got = typeof value === "string" ? value : JSON.stringify(value);
    const fix = "take one with that configuration; these weights belong to other functions";
    throw new InterchangeError({ message, got, wanted, fix });
  };
}
