import { z } from "zod";
import { ARTIFACT_TYPES } from "../../schemas/artifacts.ts";
import { paramDescriptionSchema, paramMetaSchema, paramsOutcomeSchema } from "../../schemas/param_issue.ts";
import { permissionsSchema } from "../../schemas/permissions.ts";
import { PORT_PATTERN, resourcesSchema } from "../../schemas/pipeline_file.ts";

const portName = z.string().regex(PORT_PATTERN, { error: "a letter, then up to 63 letters, digits or _" });
const artifactType = z.enum(ARTIFACT_TYPES);
const description = z.string().default("");

/**
 * What a custom stage says of itself, as data. The engine's own process holds it to this: what the stage's process has
 * found good, the stage's code may have changed on the way.
 */
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
  roles: z.record(z.string(), paramMetaSchema),
  /** For people who ask what a stage takes; empty where params were given. */
  params: z.array(paramDescriptionSchema).default([]),
});

export type StageDescription = z.output<typeof stageDescriptionSchema>;

/** What the process that loads a custom stage answers. */
export const describeAnswerSchema = z.union([
  z.strictObject({ error: z.string(), fix: z.string() }),
  z.strictObject({
    /** Still to be checked against {@linkcode stageDescriptionSchema}. */
    definition: z.record(z.string(), z.unknown()),
    /** Of each of the params that it was asked about. */
    outcomes: z.array(paramsOutcomeSchema),
  }),
]);
