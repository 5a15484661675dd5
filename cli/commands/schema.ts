import { type BuiltinKind, type BuiltinKinds, pipelineFileSchema } from "noiseline/engine";
import { z } from "zod";
import { type AnyCommand, type CliSettings, plainCommand } from "../command.ts";
import { printJson } from "../io.ts";

const EXAMPLES = `
  deno task schema > schemas/pipeline.schema.json`;

/** `schema` */
export function makeCommand(settings: CliSettings): AnyCommand {
  return plainCommand("schema", EXAMPLES)
    .action(async () => printJson(pipelineJsonSchema(await settings.loadKinds())));
}

type Schema = Record<string, unknown>;

/** A `${…}` interpolation, allowed in place of any value; the value's type is checked after it is resolved. */
const INTERPOLATION: Schema = { type: "string", pattern: "\\$\\{[^}]*\\}" };

/** Allows a `${…}` text in place of every value of a schema, on every level. */
function allowInterpolation(schema: Schema): Schema {
  // The discriminator of a union must stay a constant, or the alternatives could not be told apart.
  if (schema["const"] !== undefined) return schema;
  const { description, default: fallback, anyOf, oneOf, ...rest } = schema;
  const bare: Schema = { ...rest };
  if (bare["properties"] !== undefined) {
    const properties = Object.entries(bare["properties"] as Record<string, Schema>);
    bare["properties"] = Object.fromEntries(properties.map(([name, one]) => [name, allowInterpolation(one)]));
  }
  if (bare["items"] !== undefined) bare["items"] = allowInterpolation(bare["items"] as Schema);
  const choices = (anyOf ?? oneOf) as Schema[] | undefined;
  return {
    description,
    default: fallback,
    anyOf: [...choices?.map(allowInterpolation) ?? [bare], INTERPOLATION],
  };
}

const OWN: Schema = { type: "string", pattern: "\\.[mc]?[jt]s$|\\$\\{" };

/** Returns the schema of params as users write them: user definitions may replace some or all of them. */
function paramsSchema({ params, definitions = {} }: BuiltinKind): Schema {
  const { $schema: _schema, ...bare } = z.toJSONSchema(params, { io: "input" }) as Schema;
  const all = allowInterpolation(bare);
  const own = (sort: string): Schema => ({
    ...{ type: "object", description: `Your own ${sort} file, with its params`, required: ["uses"] },
    properties: { uses: { ...OWN, description: `File that exports the ${sort}` } },
  });
  const [written] = all["anyOf"] as { readonly properties: Record<string, Schema> }[];
  for (const [param, sort] of Object.entries(definitions)) {
    ((param === "" ? all : written!.properties[param]!)["anyOf"] as Schema[]).unshift(own(sort));
  }
  return all;
}

/** Returns one rule: `if uses is this kind, then with and inputs have these schemas`. */
function kindRule(name: string, kind: BuiltinKind): Schema {
  const reference = { anyOf: [{ type: "string" }, { type: "array", items: { type: "string" } }] };
  const inputs = Object.entries(kind.inputs).map(([port, { description }]) => [port, { description, ...reference }]);
  return {
    // A stage without `uses`, in a file that extends another, has no kind that an editor could know.
    if: { required: ["uses"], properties: { uses: { const: name } } },
    then: {
      properties: {
        with: paramsSchema(kind),
        inputs: {
          type: "object",
          properties: Object.fromEntries(inputs),
          // A program has inputs of its own.
          additionalProperties: kind.runs === "command" && reference,
        },
      },
    },
  };
}

/**
 * Returns the JSON Schema of pipeline files (draft 2020-12) for editors, generated from the Zod schemas, never written
 * by hand.
 */
export function pipelineJsonSchema(kinds: BuiltinKinds): Schema {
  const file = z.toJSONSchema(pipelineFileSchema, { io: "input" }) as Schema;
  const properties = file["properties"] as Record<string, Schema>;
  const stage = properties["stages"]!["additionalProperties"] as Schema;
  const stageProperties = stage["properties"] as Record<string, Schema>;
  for (const name of ["resources", "timeout", "retries", "seed", "when"]) {
    stageProperties[name] = allowInterpolation(stageProperties[name]!);
  }
  properties["seed"] = allowInterpolation(properties["seed"]!);
  stageProperties["uses"] = {
    description: stageProperties["uses"]!["description"],
    anyOf: [
      ...Object.entries(kinds).map(([name, { summary }]) => ({ const: name, description: summary })),
      { type: "string", pattern: "\\.[mc]?[jt]s$", description: "A custom stage" },
      { type: "string", pattern: "\\.ya?ml$", description: "A pipeline as a stage" },
    ],
  };
  stage["allOf"] = Object.entries(kinds).map(([name, kind]) => kindRule(name, kind));
  // A file may leave out anything that the file it extends defines; null removes an inherited stage.
  const { required: _, ...loose } = file;
  delete stage["required"];
  stage["type"] = ["object", "null"];
  return {
    $schema: file["$schema"],
    title: "noiseline pipeline",
    ...loose,
    anyOf: [
      { required: ["extends", "name"] },
      {
        required: ["name", "stages"],
        properties: { stages: { additionalProperties: { type: "object", required: ["uses"] } } },
      },
    ],
  };
}
