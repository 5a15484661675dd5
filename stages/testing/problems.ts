import type { DefinitionParams, ParamsOf, Path, PathDefinition } from "../../diffusion/define.ts";
import { chainPath, definedPath } from "../../diffusion/path.ts";
import { makeBetas } from "../../diffusion/schedule/betas.ts";
import { makeTables } from "../../diffusion/schedule/tables.ts";

/** What does not hold of a definition. */
export interface Problem {
  readonly what: string;
  readonly got: string;
  readonly wanted: string;
}

/** @throws Error that lists all problems, where there are any */
export function throwProblems(sort: string, problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  const lines = problems.map(({ what, got, wanted }) => `- ${what}: got ${got}, wanted ${wanted}`);
  throw new Error(`The ${sort} does not hold what it must:\n${lines.join("\n")}`);
}

/** Params as a pipeline's are read: defaults filled in. @throws ZodError where they do not fit */
export function parseParams<P extends DefinitionParams>({ params }: { readonly params: P }, given: object = {}) {
  return (params as unknown as { parse(given: object): ParamsOf<P> }).parse(given);
}

/** The straight path of rectified flow. */
const STRAIGHT = { signal: (u: number) => 1 - u, noise: (u: number) => u };

/** Paths to try something on, by name: the one that a test gives, or a chain of betas and, unless it needs a chain, a straight line. */
export function pathsFor(needs: "chain" | undefined, given: PathDefinition | undefined): readonly [string, Path][] {
  const timesteps = 1000;
  if (given !== undefined) return [["its path", definedPath(given, parseParams(given), timesteps)]];
  const chain = chainPath(makeTables(makeBetas({ name: "ho/linear", timesteps })));
  const straight = definedPath(STRAIGHT as unknown as PathDefinition, {}, timesteps);
  return [["a chain of betas", chain], ...needs === "chain" ? [] : [["a straight path", straight] as [string, Path]]];
}

/** A number in a message. */
export function shown(value: number): string {
  return String(Number(value.toPrecision(4)));
}
