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

/** Zod's "Invalid input: expected number, received string" said in few words: what was wanted. */
export function wantedBy(message: string): string {
  return message
    .replace(/^Invalid (input|option): /, "")
    .replace(/, received .*$/, "")
    .replace(/^expected /, "")
    .replace(/^Too (?:small|big): expected \w+ to (?:be|have) /, "")
    .replace(/^>=/, "at least ")
    .replace(/^>/, "more than ")
    .replace(/^<=/, "at most ")
    .replace(/^</, "less than ")
    .replace(/^Invalid input$/, "another value")
    .replace(/^(object|record)$/, "a map")
    .replace(/^array$/, "a list")
    .replace(/^string$/, "a text")
    .replace(/^int$/, "a whole number")
    .replace(/^number$/, "a number")
    .replace(/^boolean$/, "true or false");
}
