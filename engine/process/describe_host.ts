import { z } from "zod";
import { ARTIFACT_TYPES } from "../../schemas/artifacts.ts";
import { withDeviceParams } from "../../schemas/kinds/common.ts";
import { permissionsSchema } from "../../schemas/permissions.ts";
import { PORT_PATTERN, resourcesSchema } from "../../schemas/pipeline_file.ts";
import { readRoles } from "../../schemas/roles.ts";
import { wantedBy } from "../../schemas/zod_def.ts";
import type { StageDefinition } from "../../stages/contract.ts";
import { cutText } from "../diagnostic/format.ts";
import { encode } from "../fingerprint/encode.ts";
import type { ParamIssue, ParamsOutcome } from "../kind.ts";
import { validate, validateParams } from "../load/schema_issues.ts";
import { formatPath } from "../source/document.ts";
import { type LoadModule, openChannel } from "./worker_host.ts";

const portName = z.string().regex(PORT_PATTERN, { error: "a letter, then up to 63 letters, digits or _" });
const artifactType = z.enum(ARTIFACT_TYPES);
const description = z.string().default("");

/** What a custom stage says of itself, as data. */
export const stageDescriptionSchema = z.object({
  summary: z.string(),
  inputs: z.record(
    portName,
    z.strictObject({
      type: z.union([artifactType, z.array(artifactType).min(1)]),
      description,
      optional: z.boolean().optional(),
      list: z.boolean().optional(),
    }),
  ),
  outputs: z.record(portName, z.strictObject({ type: artifactType, description })),
  seeded: z.boolean().default(false),
  device: z.boolean().default(false),
  permissions: permissionsSchema.default({}),
  resources: resourcesSchema.default({}),
  roles: z.record(
    z.string(),
    z.strictObject({
      role: z.enum(["identity", "extent", "execution", "external"]).optional(),
      legacy: z.unknown().optional(),
      files: z.array(z.array(z.string().nullable())).optional(),
    }),
  ),
});

export type StageDescription = z.output<typeof stageDescriptionSchema>;

export interface DescribeAnswer {
  readonly description?: StageDescription;
  readonly error?: string;
  readonly fix?: string;
  readonly outcomes: readonly ParamsOutcome[];
}

/** All params that a pipeline may give to a stage. */
function allParams({ params, device }: StageDefinition): z.ZodObject {
  return device === true ? withDeviceParams(params) : params;
}

function describe(stage: StageDefinition): Omit<DescribeAnswer, "outcomes"> {
  if (typeof stage !== "object" || stage === null || typeof stage.run !== "function") {
    return { error: "its default export is not a stage" };
  }
  if (!(stage.params instanceof z.ZodObject)) return { error: "its params are not a Zod object" };
  const { run: _run, params, ...rest } = stage;
  const taken = Object.keys(params.shape).find((name) => name === "device" || name === "threads");
  if (stage.device === true && taken !== undefined) {
    return { error: `its params have "${taken}", which device: true gives it`, fix: "rename that param" };
  }
  const { roles, problems } = readRoles(allParams(stage));
  if (problems.length > 0) return { error: problems.join("; "), fix: "correct its params" };
  const parsed = validate(stageDescriptionSchema, { ...rest, roles });
  if (parsed.ok) return { description: parsed.data };
  return { error: parsed.issues.map(tellIssue).join("; "), fix: "correct its definition" };
}

function tellIssue({ path, message, input, keys }: ParamIssue): string {
  const at = formatPath(path);
  if (keys !== undefined) return `${at}: unknown key "${keys.join('", "')}"`;
  return `${at}: got ${cutText(Deno.inspect(input, { depth: 1 }))}, wanted ${wantedBy(message)}`;
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
export async function describeStage(load: LoadModule): Promise<void> {
  const { question: { params }, send } = openChannel<{ readonly params: readonly unknown[] }>();
  const stage = (await load()).default as StageDefinition;
  const described = describe(stage);
  const outcomes = described.description === undefined ? [] : params.map((raw) => validatePlain(allParams(stage), raw));
  send({ ...described, outcomes } satisfies DescribeAnswer);
  Deno.exit(0);
}
