import { z } from "zod";
import type { Facts, StageDefinition } from "../contract/stage.ts";
import type { Sort } from "../../schemas/definitions.ts";
import { describeParams } from "../../schemas/describe_params.ts";
import type { ParamDescription } from "../../schemas/param_issue.ts";
import { readRoles } from "../../schemas/roles.ts";
import { encode } from "../keys/encode.ts";
import { ownPlace } from "./own_frames.ts";
import { validate } from "../diagnostic/validate.ts";
import { type LoadModule, openChannel } from "./worker_host.ts";

/** A module's default export, before it is checked. */
type Exported = Partial<Omit<StageDefinition, "params">> & { readonly params?: unknown };

/** The toolkit's knowledge of user definitions, which the engine itself lacks. */
interface Definitions {
  readonly sortOf: (exported: unknown) => Sort | undefined;
  /** Returns all params that a pipeline may give to an export, with those of its device and of its sort. */
  readonly paramsOf: (sort: Sort | "stage", params: z.ZodObject, exported: Exported) => z.ZodObject;
  /** Returns the facts of a definition that are known before there are images. */
  readonly factsOf: (definition: unknown, params: Readonly<Record<string, unknown>>) => Facts;
}

/** Describes params for people. Returns none for a schema that JSON Schema cannot express: the list is optional. */
function listParams(params: z.ZodObject): readonly ParamDescription[] {
  try {
    return describeParams(params);
  } catch {
    return [];
  }
}

/** Answers what a module exports and whether given params fit it. Runs in a process that may do nothing else. */
export async function describeFile(load: LoadModule, definitions: Definitions): Promise<void> {
  const { question: { params }, send } = openChannel<{ readonly params: readonly unknown[] }>();
  send(describe((await load()).default as Exported | null | undefined, params, definitions));
  Deno.exit(0);
}

function describe(
  exported: Exported | null | undefined,
  given: readonly unknown[],
  { sortOf, paramsOf, factsOf }: Definitions,
) {
  const failed = (error: string, fix: string) => ({ error, fix });
  const sort = sortOf(exported) ?? (typeof exported?.run === "function" ? "stage" : undefined);
  if (exported === undefined) return failed("it has no default export", FORMS);
  if (sort === undefined) return failed("its default export is neither a stage nor a definition", FORMS);
  const { run: _run, params, ...rest } = exported!;
  const strict = "write params: z.strictObject({ … })";
  if (!(params instanceof z.ZodObject)) return failed("its params are not a Zod object", strict);
  const all = paramsOf(sort, params, exported!);
  const taken = Object.keys(params.shape).find((name) =>
    params.shape[name] !== all.shape[name] || (sort !== "stage" && TAKEN.includes(name))
  );
  if (taken !== undefined) {
    return failed(`its params have "${taken}", which means something else there`, "rename that param");
  }
  const { roles, problems } = readRoles(all);
  if (problems.length > 0) return failed(problems.join("; "), "correct its params");
  const isStage = sort === "stage";
  const isStrict = params.def.catchall?._zod.def.type === "never";
  if (!isStage && !isStrict) return failed("its params are not a strict Zod object", strict);
  const [marked] = Object.keys(roles);
  if (!isStage && marked !== undefined) {
    const error = `param "${marked}" has a role, as only params of stages do`;
    return failed(error, "write it without externalFile(…) and the like");
  }
  const fits = given.map((raw) => fit(all, raw, (params) => isStage ? {} : factsOf(exported, params)));
  return { sort, said: isStage ? { ...rest, roles } : {}, params: given.length === 0 ? listParams(all) : [], fits };
}

/**
 * Names that a definition's own params may not have: a pipeline writes `uses` beside these params, and `name` to select
 * a built-in definition.
 */
const TAKEN = ["uses", "name"];

const FORMS =
  "write export default defineStage({ … }), or defineNetwork, defineObjective, definePath, defineSampler, " +
  "defineAugmentation, defineAutoencoder";

/** Checks whether params fit an export, and finds the facts that are known with them. */
function fit(all: z.ZodObject, raw: unknown, factsOf: (params: Readonly<Record<string, unknown>>) => Facts) {
  const outcome = validate(all, raw);
  if (!outcome.ok) return { outcome, facts: {} };
  try {
    // Params become part of keys and messages, so they must be plain data.
    encode(outcome.value);
  } catch (error) {
    const message = `the schema gives a value that is not plain data: ${(error as Error).message}`;
    return { outcome: { ok: false, issues: [{ code: "custom", path: [], message, input: raw }] }, facts: {} };
  }
  try {
    const facts = factsOf(outcome.value);
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

/** Answers with the pipeline that a TypeScript file exports. Runs in a process that may do nothing else. */
export async function describePipeline(load: LoadModule): Promise<void> {
  const { send } = openChannel();
  const { default: pipeline } = await load();
  try {
    // JSON would leave out or change values that are not plain data.
    if (pipeline !== undefined) encode(pipeline);
    send(pipeline === undefined ? { problem: "it has no default export" } : { pipeline });
  } catch (error) {
    send({ problem: `its default export is not plain data: ${(error as Error).message}` });
  }
  Deno.exit(0);
}
