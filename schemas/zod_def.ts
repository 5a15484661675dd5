import type { z } from "zod";

/** What Zod says of a schema that holds others; which of these it has depends on its type. */
export interface Def {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly getter?: () => z.ZodType;
  readonly in?: z.ZodType;
  readonly out?: z.ZodType;
  readonly left?: z.ZodType;
  readonly right?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly element?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly keyType?: z.ZodType;
  readonly items?: readonly z.ZodType[];
  readonly rest?: z.ZodType | null;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly catchall?: z.ZodType;
  readonly values?: readonly unknown[];
}

export function defOf(schema: z.ZodType): Def {
  return schema._zod.def as unknown as Def;
}

const TYPES: Readonly<Record<string, string>> = {
  array: "a list",
  boolean: "true or false",
  int: "a whole number",
  number: "a number",
  object: "a map",
  record: "a map",
  string: "a text",
};

/** Zod's "Invalid input: expected number, received string" said in few words: what was wanted. */
export function wantedBy(message: string): string {
  const wanted = message
    .replace(/^Invalid (input|option): /, "")
    .replace(/, received .*$/, "")
    .replace(/^expected /, "")
    .replace(/^Too (?:small|big): expected \w+ to (?:be|have) /, "")
    .replace(/^>=/, "at least ")
    .replace(/^>/, "more than ")
    .replace(/^<=/, "at most ")
    .replace(/^</, "less than ")
    .replace(/^Invalid input$/, "another value");
  return Object.hasOwn(TYPES, wanted) ? TYPES[wanted]! : wanted;
}
