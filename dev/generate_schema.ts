/**
 * Generates files from the Zod schemas: schemas/pipeline.schema.json and schemas/cluster.schema.json, with which
 * editors complete and check pipeline files and cluster files, and schemas/types.ts, the types of the public API.
 * Inferred types would be slow to check for users of the package, and no documentation could be generated from them.
 *
 *     deno run -A dev/generate_schema.ts
 *
 * @module
 */
import { BUILTIN_KINDS } from "noiseline/engine";
import { z } from "zod";
import { imagesInfoSchema } from "../artifacts/image_files.ts";
import { imageSetSchema, metricSchema, metricsSchema } from "../artifacts/metrics.ts";
import { pipelineJsonSchema } from "../cli/commands/schema.ts";
import { clusterFileSchema } from "../schemas/cluster_file.ts";
import { definitionInputSchema, type Sort } from "../schemas/definitions.ts";
import { conditionSchema, pipelineFileSchema, resourcesSchema, stageSchema } from "../schemas/pipeline_file.ts";
import { permissionsSchema } from "../schemas/permissions.ts";
import { fileEntrySchema } from "../schemas/records.ts";
import { defOf } from "../schemas/zod_def.ts";

/**
 * The texts of the two schemas. Keys have the order of the Zod schemas, so that a change of one param changes only a
 * few lines.
 */
export const schemaText = (): string => `${JSON.stringify(pipelineJsonSchema(BUILTIN_KINDS), null, 2)}\n`;
export const clusterSchemaText = (): string =>
  `${JSON.stringify({ title: "noiseline cluster", ...z.toJSONSchema(clusterFileSchema, { io: "input" }) }, null, 2)}\n`;

/** The side of a schema: the values that it accepts, or the values that it returns. */
type Side = "input" | "output";

/** The types by name. Within another schema, a named schema is referred to by its name. */
const NAMED: Readonly<Record<string, readonly [schema: z.ZodType, side: Side, doc: string]>> = {
  FileEntry: [fileEntrySchema, "output", "A file of an artifact, by its path there."],
  ImagesInfo: [imagesInfoSchema, "output", "The facts that an artifact of type `images` states about itself."],
  ImageSet: [imageSetSchema, "output", "The images that a number is about."],
  Metric: [metricSchema, "output", "One number with all that is needed to compare it with another."],
  MetricsToWrite: [metricsSchema.omit({ format: true }), "input", "The record of an artifact of type `metrics`."],
  Resources: [resourcesSchema, "output", "Slots that a stage takes while it runs."],
  Condition: [conditionSchema, "input", "A condition under which a stage is in the pipeline (`when`)."],
  StagePermissions: [
    permissionsSchema,
    "output",
    "Permissions of a stage's process beyond reading its inputs and writing its own folder. None by default.",
  ],
  DefinitionInput: [definitionInputSchema, "input", "A definition of one's own: its file, and its params beside it."],
  StageFileInput: [stageSchema, "input", "A stage as a pipeline file may say it."],
  PipelineFileInput: [pipelineFileSchema, "input", "A pipeline file."],
};

/** The columns of a comment that leave room for its indentation. */
const COLUMNS = 100;

/** Returns a text as a comment on its own lines. */
function comment(text: string | undefined): string {
  if (text === undefined) return "";
  const words = text.replaceAll("*/", "* /");
  if (words.length <= COLUMNS) return `/** ${words} */\n`;
  return `/**\n${words.replaceAll(new RegExp(`(.{1,${COLUMNS}})(?: |$)`, "g"), " * $1\n")} */\n`;
}

/** Returns a union member for params that a user definition may replace. */
const orOwn = (sort: Sort | undefined): string => sort === undefined ? "" : " | DefinitionInput";

/**
 * Returns the TypeScript of a schema's type.
 * @param definitions keys whose values user definitions may replace
 */
function typeText(
  schema: z.ZodType,
  side: Side,
  self?: z.ZodType,
  definitions: Readonly<Record<string, Sort>> = {},
): string {
  const name = Object.keys(NAMED).find((one) => NAMED[one]![0] === schema);
  if (schema !== self && name !== undefined) return name;
  const inner = (one: z.ZodType) => typeText(one, side);
  const def = defOf(schema);
  if (["string", "number", "boolean", "null", "unknown", "never"].includes(def.type)) return def.type;
  switch (def.type) {
    case "literal":
    case "enum":
      return [...schema._zod.values!].map((value) => JSON.stringify(value)).join(" | ");
    case "nullable":
      return `${inner(def.innerType!)} | null`;
    case "readonly":
      return `readonly ${inner(def.innerType!)}`;
    case "optional":
    case "default":
    case "prefault":
      if (schema instanceof z.ZodExactOptional) return inner(def.innerType!);
      return `${inner(def.innerType!)}${def.type === "optional" || side === "input" ? " | undefined" : ""}`;
    case "pipe":
      return inner((side === "input" ? def.in : def.out)!);
    case "union":
      return def.options!.map(inner).join(" | ");
    case "array":
      return `${inner(def.element!).replace(/^.* \| .*$/s, "($&)")}[]`;
    case "tuple":
      return `[${def.items!.map(inner).join(", ")}]`;
    case "record":
      return `Record<string, ${inner(def.valueType!)}>`;
    case "object": {
      const fields = Object.entries(def.shape!).map(([key, one]) => {
        const optional = one._zod[side === "input" ? "optin" : "optout"] === undefined ? "" : "?";
        return `${comment(one.description)}${key}${optional}: ${inner(one)}${orOwn(definitions[key])};\n`;
      });
      if (def.catchall?._zod.def.type === "unknown") fields.push("[key: string]: unknown;\n");
      return `{\n${fields.join("").replaceAll(/^(?=.)/gm, "  ")}}`;
    }
    default:
      throw new Error(`The type of a schema of type "${def.type}" cannot be written out`);
  }
}

/** Returns the text of schemas/types.ts. */
export function typesText(): string {
  const types = Object.entries(NAMED).map(([name, [schema, side, doc]]) =>
    `\n${comment(doc)}export type ${name} = ${typeText(schema, side, schema)};\n`
  );
  const kinds = Object.entries(BUILTIN_KINDS).map(([name, { summary, params, inputs, definitions = {}, runs }]) => {
    const none = runs === "command" ? "string" : "never";
    const ports = Object.keys(inputs).map((port) => JSON.stringify(port)).join(" | ") || none;
    const written = typeText(params, "input", undefined, definitions) + orOwn(definitions[""]);
    return `${comment(summary)}${name}: { params: ${written}; inputs: ${ports} };\n`;
  });
  const doc = "The built-in kinds: the params that a pipeline may give to each, and the names of its input ports.";
  const table = `${comment(doc)}export type KindTable = {\n${kinds.join("").replaceAll(/^(?=.)/gm, "  ")}};\n`;
  return `// Generated by \`deno task generate\` from the Zod schemas. Do not edit.\n${types.join("")}\n${table}`;
}

if (import.meta.main) {
  const write = (name: string, text: string) =>
    Deno.writeTextFile(new URL(`../schemas/${name}`, import.meta.url), text);
  await write("pipeline.schema.json", schemaText());
  await write("cluster.schema.json", clusterSchemaText());
  await write("types.ts", typesText());
}
