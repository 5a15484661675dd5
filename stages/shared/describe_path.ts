import { z } from "zod";
import type { DefinitionProblem, Path, PathDefinition } from "../../diffusion/define.ts";
import { definedPath } from "../../diffusion/path.ts";
import { pathProblems } from "../../diffusion/path_problems.ts";

/** Problems as they come out of the process that ran the user's code. */
export const pathProblemsSchema = z.array(z.object({
  severity: z.enum(["error", "warning"]).exactOptional(),
  message: z.string(),
  got: z.string(),
  wanted: z.string(),
})).max(10);

/** More of an error's message is no help. */
const MAX_SAID = 300;

/** A path of one's own by the params of its stage, with what is wrong with it; none where its code throws. */
export function makeOwnPath(
  definition: PathDefinition,
  { timesteps, uses: _uses, ...params }: Readonly<Record<string, unknown>>,
): { readonly path?: Path; readonly problems: readonly DefinitionProblem[] } {
  try {
    const path = definedPath(definition, params, timesteps as number);
    return { path, problems: pathProblems(path) };
  } catch (error) {
    const got = error instanceof Error ? `${error.message.slice(0, MAX_SAID)}${placeOf(error)}` : "no Error";
    const wanted = "numbers for all u in [0, 1]";
    return { problems: [{ param: [], message: "the path cannot be computed", got, wanted }] };
  }
}

/** Where in the user's files an error was thrown, as far as it says. */
function placeOf({ stack = "" }: Error): string {
  const place = /([^/\\\s(]+\.[cm]?[jt]s:\d+:\d+)/.exec(stack)?.[1];
  return place === undefined ? "" : `, at ${place}`;
}
