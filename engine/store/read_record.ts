import type { z } from "zod";
import { readTextIfThere } from "./files.ts";

/** Read a record of one JSON file. One that is missing, torn or of another shape counts as absent. */
export function readRecord<T extends z.ZodType>(path: string, schema: T): z.output<T> | undefined {
  const text = readTextIfThere(path);
  if (text === undefined) return undefined;
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
