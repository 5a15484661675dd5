import type { z } from "zod";
import { asRecord, readTextIfThere } from "./reading.ts";

/** The text of a record of one JSON file. @throws Misplaced for one that is too large to be read again */
export function recordText<T extends z.ZodType>(path: string, schema: T, record: z.input<T>): string {
  return asRecord(`${JSON.stringify(schema.parse(record))}\n`, path);
}

/** Read a record of one JSON file. One that is missing, torn or of another shape counts as absent. */
export function readRecord<T extends z.ZodType>(path: string, schema: T): z.output<T> | undefined {
  const text = readTextIfThere(path);
  return text === undefined ? undefined : parseJson(text, schema);
}

/** A name that Zod passes over without a word, and how any may be spelled. */
const MAY_HIDE = /__proto__|\\u/;

function refuseHidden(name: string, value: unknown): unknown {
  if (name === "__proto__") throw new SyntaxError("__proto__ is not a name");
  return value;
}

/** What a text of JSON says. @throws SyntaxError also for a name that would be dropped unseen */
export function parseStrictly(text: string): unknown {
  return JSON.parse(text, MAY_HIDE.test(text) ? refuseHidden : undefined);
}

/** What a text says; undefined where it is no JSON, or of another shape. */
export function parseJson<T extends z.ZodType>(text: string, schema: T): z.output<T> | undefined {
  try {
    return schema.safeParse(parseStrictly(text)).data;
  } catch {
    return undefined;
  }
}
