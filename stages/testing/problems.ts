import {
  definePath,
  type DefinitionParams,
  type ParamsOf,
  type Path,
  type PathDefinition,
} from "../../diffusion/define.ts";
import { chainPath, definedPath } from "../../diffusion/path.ts";
import { makeTables } from "../../diffusion/schedule/tables.ts";
import type { CodeProblem } from "../shared/definition_checks.ts";

/** @throws Error that lists all problems, where there are any */
export function throwProblems(sort: string, problems: readonly CodeProblem[]): void {
  if (problems.length === 0) return;
  const lines = problems.map(({ message, got, wanted, fix }) => {
    const values = got === undefined ? "" : `: got ${got}, wanted ${wanted}`;
    return `- ${message}${values}${fix === undefined ? "" : ` (fix: ${fix})`}`;
  });
  throw new Error(`The ${sort} is not as it must be:\n${lines.join("\n")}`);
}

/** Params as a pipeline's are read: defaults filled in. @throws ZodError where they do not fit */
export function parseParams<P extends DefinitionParams>({ params }: { readonly params: P }, given: object = {}) {
  return (params as unknown as { parse(given: object): ParamsOf<P> }).parse(given);
}

const TIMESTEPS = 1000;

/** The straight line of rectified flow. */
const STRAIGHT = definePath({
  params: { shape: {} } as DefinitionParams,
  signal: (u) => 1 - u,
  noise: (u) => u,
});

/** Paths to try something on, by name: the one that a test gives, or a chain of betas and, where that is not needed, a straight line. */
export function pathsFor(
  needs: "chain" | undefined,
  given: PathDefinition | undefined,
): readonly (readonly [name: string, path: Path])[] {
  if (given !== undefined) return [["its path", definedPath(given, parseParams(given), TIMESTEPS)]];
  const chain = chainPath(makeTables(new Float64Array(TIMESTEPS).fill(0.01)));
  const straight = ["a straight line", definedPath(STRAIGHT, {}, TIMESTEPS)] as const;
  return [["a chain of betas", chain], ...needs === "chain" ? [] : [straight]];
}

/** A number in a message. */
export function shown(value: number): string {
  return String(Number(value.toPrecision(4)));
}
