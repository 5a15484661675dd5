import type { z } from "zod";
import { factsOf } from "../../artifacts/types.ts";
import type {
  BuiltinKind,
  Facts,
  InputArtifact,
  InputPorts,
  OutputPorts,
  StageRun,
} from "../../engine/contract/stage.ts";
import { isOwn } from "../../schemas/definitions.ts";
import { failedBy, isError } from "./checks.ts";
import { describeDefinition } from "./describe_definition.ts";
import { definitionByFile } from "./own_definitions.ts";

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
    const own: Record<string, Facts> = {};
    for (const [place, sort] of Object.entries(kind.definitions ?? {})) {
      const value = place === "" ? context.params : (context.params as Readonly<Record<string, unknown>>)[place];
      if (!isOwn(value)) continue;
      const { definition, params } = definitionByFile(sort, value, context.definitions);
      own[place] = describeDefinition(definition, params);
    }
    const problem = kind.check?.(context.params as z.output<P>, facts, own).problems.find(isError);
    return problem === undefined ? await run(context) : failedBy(problem);
  };
}
