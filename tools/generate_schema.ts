/**
 * Write schemas/pipeline.schema.json, which editors use to complete and check pipeline files.
 *
 *     deno run -A tools/generate_schema.ts
 *
 * @module
 */
import { BUILTIN_KINDS, pipelineJsonSchema } from "noiseline/engine";

export const SCHEMA_FILE: URL = new URL("../schemas/pipeline.schema.json", import.meta.url);

/** The file's text. Keys stand in the order of the Zod schemas, so that a change of one param is a change of a few lines. */
export function schemaText(): string {
  return `${JSON.stringify(pipelineJsonSchema(BUILTIN_KINDS), null, 2)}\n`;
}

if (import.meta.main) await Deno.writeTextFile(SCHEMA_FILE, schemaText());
