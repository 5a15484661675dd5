import { z } from "zod";
import { pipelineFileSchema } from "./pipeline_file.ts";

type Schema = Record<string, unknown>;

/** Any value may be written as an interpolation instead; its type is checked after it is resolved. */
const INTERPOLATION: Schema = { type: "string", pattern: "\\$\\{[^}]*\\}" };

/** Let every scalar of a schema also be a `${…}` text. */
function allowInterpolation(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(allowInterpolation);
  if (typeof schema !== "object" || schema === null) return schema;
  const own = schema as Schema;
  const { type, description, default: fallback } = own;
  if (type === "object" || own["anyOf"] !== undefined || own["oneOf"] !== undefined) {
    const inner = Object.entries(own).map(([key, value]) => {
      if (key === "properties") {
        const properties = Object.entries(value as Schema).map(([name, one]) => [name, allowInterpolation(one)]);
        return [key, Object.fromEntries(properties)];
      }
      return [key, key === "anyOf" || key === "oneOf" ? allowInterpolation(value) : value];
    });
    return Object.fromEntries(inner);
  }
  // The discriminator of a union must stay a constant, or no alternative could be told from another.
  if (own["const"] !== undefined) return own;
  const { description: _d, default: _f, ...bare } = own;
  return {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
    anyOf: [bare, INTERPOLATION],
  };
}

/** What the schema needs to know of a kind. */
export interface KindForSchema {
  readonly summary: string;
  readonly params: z.ZodObject;
  readonly inputs: Readonly<Record<string, { readonly description: string; readonly optional?: boolean }>>;
}

/** One alternative of `if uses is this kind, then with and inputs look so`. */
function kindRule(name: string, kind: KindForSchema): Schema {
  const reference = { anyOf: [{ type: "string" }, { type: "array", items: { type: "string" } }] };
  const inputs = Object.entries(kind.inputs).map(([port, { description }]) => [port, { description, ...reference }]);
  const params = z.toJSONSchema(kind.params, { io: "input" }) as Schema;
  const { $schema: _schema, ...bare } = params;
  return {
    if: { properties: { uses: { const: name } } },
    then: {
      properties: {
        with: allowInterpolation(bare),
        inputs: { type: "object", properties: Object.fromEntries(inputs), additionalProperties: false },
      },
    },
  };
}

/** The JSON Schema of pipeline files (draft 2020-12), for editors. Made from the Zod schemas, never by hand. */
export function pipelineJsonSchema(kinds: Readonly<Record<string, KindForSchema>>): Schema {
  const file = z.toJSONSchema(pipelineFileSchema, { io: "input" }) as Schema;
  const properties = file["properties"] as Record<string, Schema>;
  const stage = properties["stages"]!["additionalProperties"] as Schema;
  const stageProperties = stage["properties"] as Record<string, Schema>;
  stageProperties["uses"] = {
    description: stageProperties["uses"]!["description"],
    anyOf: [
      ...Object.entries(kinds).map(([name, { summary }]) => ({ const: name, description: summary })),
      { type: "string", pattern: "\\.[mc]?[jt]s$", description: "A custom stage" },
    ],
  };
  stage["allOf"] = Object.entries(kinds).map(([name, kind]) => kindRule(name, kind));
  return { $schema: file["$schema"], title: "noiseline pipeline", ...file };
}
