import { z } from "zod";
import type { Facts, StageDefinition } from "../../contract/stage.ts";
import type { Sort } from "../../schemas/definitions.ts";
import { describeParams } from "../../schemas/describe_params.ts";
import type { ParamDescription, ParamsOutcome } from "../../schemas/param_issue.ts";
import { readRoles } from "../../schemas/roles.ts";
import { encode } from "../keys/encode.ts";
import { ownPlace } from "./own_frames.ts";
import { validateParams } from "./schema_issues.ts";
import { type LoadModule, openChannel } from "./worker_host.ts";

/** All params that a pipeline may give to a stage: those of its device too. */
type AllParams = (stage: StageDefinition) => z.ZodObject;

/** Good to have: of a schema that JSON Schema has no words for nothing is said. */
function listParams(params: z.ZodObject): readonly ParamDescription[] {
  try {
    return describeParams(params);
  } catch {
    return [];
  }
}

/** The definition as data, for the parent to look at, or why it is none. */
function describe(
  stage: StageDefinition,
  { allParams, listed }: { readonly allParams: AllParams; readonly listed: boolean },
): { definition: object } | { error: string; fix: string } {
  const failed = (error: string, fix = "export default defineStage({ … }) from it") => ({ error, fix });
  if (typeof stage !== "object" || stage === null || typeof stage.run !== "function") {
    return failed("its default export is not a stage");
  }
  if (!(stage.params instanceof z.ZodObject)) return failed("its params are not a Zod object");
  const { run: _run, params, ...rest } = stage;
  const taken = Object.keys(params.shape).find((name) => name === "device" || name === "threads");
  if (stage.device === true && taken !== undefined) {
    return failed(`its params have "${taken}", which device: true gives it`, "rename that param");
  }
  const { roles, problems } = readRoles(allParams(stage));
  if (problems.length > 0) return failed(problems.join("; "), "correct its params");
  return { definition: { ...rest, roles, params: listed ? listParams(allParams(stage)) : [] } };
}

/** Params become part of keys and messages, so they must be plain data. */
function validatePlain(params: z.ZodObject, raw: unknown): ParamsOutcome {
  const outcome = validateParams(params, raw);
  if (!outcome.ok) return outcome;
  try {
    encode(outcome.params);
    return outcome;
  } catch (error) {
    const message = `the schema gives a value that is not plain data: ${(error as Error).message}`;
    return { ok: false, issues: [{ code: "custom", path: [], message, input: raw }] };
  }
}

/** Answer what a stage is and whether given params fit it. Runs in a process that may do nothing else. */
export async function describeStage(load: LoadModule, allParams: AllParams): Promise<void> {
  const { question: { params }, send } = openChannel<{ readonly params: readonly unknown[] }>();
  const stage = (await load()).default as StageDefinition;
  const described = describe(stage, { allParams, listed: params.length === 0 });
  send(
    "error" in described
      ? described
      : { ...described, outcomes: params.map((raw) => validatePlain(allParams(stage), raw)) },
  );
  Deno.exit(0);
}

/** What the toolkit knows of definitions, which the engine does not. */
export interface Definitions {
  readonly sortOf: (value: unknown) => Sort | undefined;
  /** All params that a pipeline may give to a definition. */
  readonly paramsOf: (sort: Sort, params: z.ZodObject) => z.ZodObject;
  readonly describe: (definition: unknown, params: Readonly<Record<string, unknown>>) => Facts;
}

/** Answer of what sort a definition is, and whether given params fit it. Runs in a process that may do nothing else. */
export async function describeDefinition(
  load: LoadModule,
  { sortOf, paramsOf, describe }: Definitions,
): Promise<void> {
  const { question, send } = openChannel<{ readonly params: readonly unknown[] }>();
  const definition = (await load()).default as { readonly params?: unknown } | undefined;
  const sort = sortOf(definition);
  const params = definition?.params;
  const refuse = (error: string, fix: string) => send({ error, fix });
  if (sort === undefined) refuse("its default export is not a definition", FORMS);
  else if (!(params instanceof z.ZodObject) || params.def.catchall?._zod.def.type !== "never") {
    refuse("its params are not a strict Zod object", "write params: z.strictObject({ … })");
  } else {
    const all = paramsOf(sort, params);
    const taken = Object.keys(params.shape).find((name) => name === "uses" || params.shape[name] !== all.shape[name]);
    const { roles, problems: [problem] } = readRoles(all);
    const [marked] = Object.keys(roles);
    if (taken !== undefined) refuse(`its params have "${taken}", which it is given anyway`, "rename that param");
    else if (problem !== undefined) refuse(problem, "correct its params");
    else if (marked !== undefined) {
      refuse(
        `param "${marked}" has a role, as only params of stages do`,
        "write it without externalFile(…) and the like",
      );
    } else send({ sort, fits: question.params.map((raw) => fit(all, raw, (given) => describe(definition, given))) });
  }
  Deno.exit(0);
}

/** Whether params fit a definition, and what is known of it with them. */
function fit(all: z.ZodObject, raw: unknown, describe: (params: Readonly<Record<string, unknown>>) => Facts) {
  const outcome = validatePlain(all, raw);
  if (!outcome.ok) return { outcome, facts: {} };
  try {
    const facts = describe(outcome.params);
    encode(facts);
    return { outcome, facts };
  } catch (error) {
    const thrown = error instanceof Error ? error : new Error(`it threw ${Deno.inspect(error)}`);
    const place = ownPlace(String(thrown.stack));
    return {
      error: place === undefined ? thrown.message : `${place}: ${thrown.message}`,
      fix: "correct the file, or its params",
    };
  }
}

const FORMS = "export default defineNetwork({ … }) from it, or defineObjective, definePath, defineSampler";

/** Answer with the pipeline that a TypeScript file exports. Runs in a process that may do nothing else. */
export async function describePipeline(load: LoadModule): Promise<void> {
  const { send } = openChannel();
  const pipeline = (await load()).default;
  try {
    // JSON would leave out or change what is not plain data.
    encode(pipeline);
    send({ pipeline });
  } catch (error) {
    send({ problem: `its default export is not plain data: ${(error as Error).message}` });
  }
  Deno.exit(0);
}
