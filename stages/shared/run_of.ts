import type { z } from "zod";
import { factsOf } from "../../artifacts/types.ts";
import type {
  BuiltinKind,
  CheckProblem,
  Facts,
  InputArtifact,
  InputPorts,
  OutputPorts,
  StageContext,
  StageEnd,
  StageRun,
} from "../../contract/stage.ts";
import { isOwn } from "../../schemas/definitions.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { describeProblem, isError } from "./checks.ts";
import { describeDefinition } from "./describe_definition.ts";
import { definitionByFile } from "./own.ts";

/** Wraps the run of a kind: the kind's check comes first, now with the facts of the existing inputs. */
export function runOf<P extends z.ZodObject, I extends InputPorts, O extends OutputPorts>(
  kind: BuiltinKind<P, I, O>,
  run: StageRun<P, I, O>,
): StageRun<P, I, O> {
  return async (context) => {
    const facts: { [K in keyof I]?: Facts } = {};
    for (const [port, input] of Object.entries(context.inputs) as [keyof I, unknown][]) {
      if (input !== undefined && !Array.isArray(input)) facts[port] = await factsOf(input as InputArtifact) ?? {};
    }
    const own = ownFacts(kind, context);
    const problem = kind.check?.(context.params as z.output<P>, facts, own).problems.find(isError);
    return problem === undefined ? await run(context) : failedBy(problem);
  };
}

/** Returns the facts of the definitions that the params name. */
function ownFacts(
  { definitions: places = {} }: Pick<BuiltinKind, "definitions">,
  { params, definitions }: Pick<StageContext, "params" | "definitions">,
): Record<string, Facts> {
  return Object.fromEntries(
    Object.entries(places).flatMap(([place, sort]) => {
      const value = place === "" ? params : (params as Readonly<Record<string, unknown>>)[place];
      if (!isOwn(value)) return [];
      const { definition, params: own } = definitionByFile(sort, value, definitions);
      return [[place, describeDefinition(definition, own)]];
    }),
  );
}

/** Converts a problem that a check could not find before the inputs existed to the end of a run. */
export function failedBy(problem: CheckProblem): StageEnd {
  return definedOnly({ status: "failed" as const, message: describeProblem(problem), fix: problem.fix });
}
