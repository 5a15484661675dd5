import { z } from "zod";
import { type ParamRole, rolesOf } from "./roles.ts";

export interface ParamDescription {
  readonly name: string;
  readonly type: string;
  readonly fallback?: unknown;
  readonly role: ParamRole;
  readonly description: string;
}

interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly default?: unknown;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
}

function typeOf(schema: JsonSchema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(String).join(" | ");
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return choices.map(typeOf).join(" | ");
  if (schema.type === "array") return `${typeOf(schema.items ?? {})}[]`.replace(/^(.* \| .*)\[\]$/, "($1)[]");
  if (schema.type === "object" && schema.properties !== undefined) {
    return `{ ${Object.keys(schema.properties).join(", ")} }`;
  }
  return Array.isArray(schema.type) ? schema.type.join(" | ") : String(schema.type ?? "any");
}

/** The params of a kind as a person or a program reads them. */
export function describeParams(params: z.ZodObject): readonly ParamDescription[] {
  const roles = rolesOf(params);
  const schema = z.toJSONSchema(params, { io: "input", unrepresentable: "any" }) as JsonSchema;
  return Object.entries(schema.properties ?? {}).map(([name, one]) => ({
    name,
    type: typeOf(one),
    fallback: one.default,
    role: roles[name]?.role ?? "identity",
    description: one.description ?? "",
  }));
}
