import { z } from "zod";
import type { ParamDescription, ParamRole } from "./param_issue.ts";
import { rolesOf } from "./roles.ts";

/** An object: Zod makes no JSON schemas that are just true or false. */
type JsonSchema = z.core.JSONSchema.JSONSchema;
type Properties = Readonly<Record<string, JsonSchema>>;

function typeOf(schema: JsonSchema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(String).join(" | ");
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return choices.map(typeOf).join(" | ");
  if (schema.type === "array") {
    return `${typeOf(schema.items as JsonSchema | undefined ?? {})}[]`.replace(/^(.* \| .*)\[\]$/, "($1)[]");
  }
  if (schema.type === "object" && schema.properties !== undefined) {
    const { name } = schema.properties as Properties;
    return name?.const === undefined
      ? `{ ${Object.keys(schema.properties).join(", ").replace(/^((?:\w+, ){4}).*/, "$1…")} }`
      : `{ name: ${name.const}, … }`;
  }
  return Array.isArray(schema.type) ? schema.type.join(" | ") : String(schema.type ?? "any");
}

/** Returns the numbers that a schema accepts, as "1 to 64"; nothing for a schema without limits. */
function rangeOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema): string {
  const said = (limit: number | boolean | undefined, word: string) => {
    return typeof limit !== "number" || Math.abs(limit) >= Number.MAX_SAFE_INTEGER
      ? []
      : [`${word} ${limit.toLocaleString("en")}`];
  };
  const least = said(minimum, "at least");
  const most = said(maximum, "at most");
  if (least.length + most.length === 2) return `${minimum!.toLocaleString("en")} to ${maximum!.toLocaleString("en")}`;
  return [...least, ...said(exclusiveMinimum, "above"), ...most, ...said(exclusiveMaximum, "below")].join(", ");
}

/** Describes the params of a kind for a person or a program; those within a param follow it, as `model.channels`. */
export function describeParams(params: z.ZodObject): readonly ParamDescription[] {
  const roles = rolesOf(params);
  const schema = z.toJSONSchema(params, { io: "input", unrepresentable: "any" });
  const describe = (one: JsonSchema, name: string, role: ParamRole, of: string): ParamDescription[] => {
    const inner = (one.anyOf ?? one.oneOf ?? [one]).flatMap((choiceOf) => {
      const properties = (choiceOf.properties ?? {}) as Properties;
      // Alternatives are told apart by their names, as samplers are.
      const choice = properties["name"]?.const;
      const within = choice === undefined ? of : `[${choice}] `;
      return Object.entries(properties).flatMap(([key, property]) =>
        describe(property, `${name}.${key}`, role, key === "name" ? of : within)
      );
    });
    const fallback = inner.length > 0 && Object.keys(one.default ?? {}).length === 0 ? undefined : one.default;
    const range = rangeOf(one);
    const description = one.description && one.description + (range && ` (${range})`);
    return [{ name, type: typeOf(one), fallback, role, description: of + (description ?? "") }, ...inner];
  };
  return Object.entries((schema.properties ?? {}) as Properties).flatMap(([name, one]) =>
    describe(one, name, roles[name]?.role ?? "identity", "")
  );
}
