import type { z } from "zod";
import { factsOf } from "../../artifacts/types.ts";
import type {
  BuiltinKind,
  CheckProblem,
  Facts,
  InputArtifact,
  InputPorts,
  OutputPorts,
  StageEnd,
  StageRun,
} from "../../contract/stage.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { isError } from "./checks.ts";

/** The run of a kind. Its check comes first, now with what the inputs turned out to be. */
export function runOf<P extends z.ZodObject, I extends InputPorts, O extends OutputPorts>(
  kind: BuiltinKind<P, I, O>,
  run: StageRun<P, I, O>,
): StageRun<P, I, O> {
  return async (context) => {
    const facts: { [K in keyof I]?: Facts } = {};
    for (const [port, input] of Object.entries(context.inputs) as [keyof I, unknown][]) {
      if (input !== undefined && !Array.isArray(input)) facts[port] = await factsOf(input as InputArtifact) ?? {};
    }
    const problem = kind.check?.(context.params as z.output<P>, facts).problems.find(isError);
    return problem === undefined ? await run(context) : failedBy(problem);
  };
}

/** A problem that a check could not see before the inputs existed, as the end of a run. */
export function failedBy({ message, got, wanted, fix }: CheckProblem): StageEnd {
  const details = [got === undefined ? [] : `got ${got}`, wanted === undefined ? [] : `wanted ${wanted}`].flat();
  const said = details.length === 0 ? message : `${message}: ${details.join(", ")}`;
  return definedOnly({ status: "failed" as const, message: said, fix });
}
