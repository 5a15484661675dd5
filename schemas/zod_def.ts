import type { z } from "zod";

/** The fields in which Zod keeps a schema that is within another. */
type Inner = "innerType" | "in" | "out" | "left" | "right" | "element" | "valueType" | "keyType" | "catchall";

/** Zod's definition of a schema that contains others; which of these fields it has depends on its type. */
export interface Def extends Readonly<Partial<Record<Inner, z.ZodType>>> {
  readonly type: string;
  readonly getter?: () => z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly rest?: z.ZodType | null;
  readonly items?: readonly z.ZodType[];
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly values?: readonly unknown[];
}

export function defOf(schema: z.ZodType): Def {
  return schema._zod.def as unknown as Def;
}

/** Shortens a message of Zod's, such as "Invalid input: expected number, received string", to what was wanted. */
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
