import { z } from "zod";

/** What of the science a file of the user's own may define. */
export const SORTS = ["network", "objective", "path", "sampler"] as const;

/** One of them. */
export type Sort = typeof SORTS[number];

/**
 * How an artifact names the definition that it was made with: data alone. Whoever needs its code takes it from the project,
 * and holds it to the digest.
 */
export const ownRecordSchema = z.strictObject({
  /** Name of the file, for people. */
  uses: z.string().min(1).max(255),
  /** Digest of its modules. */
  code: z.string().regex(/^[0-9a-f]{64}$/),
  params: z.record(z.string(), z.unknown()),
});

export type OwnRecord = z.output<typeof ownRecordSchema>;

/** A definition of the user's own where a param may name one: its file, and its params beside it. */
export type OwnParam = { readonly uses: string } & Readonly<Record<string, unknown>>;

/** How a pipeline may write it. */
export const definitionInputSchema = z.looseObject({
  uses: z.string(),
  name: z.never().optional().describe("What tells built-in ones apart"),
});

/** What a schema gives out where a definition of the user's own may stand as well, which the engine looks at by itself. */
export type Ownable<S extends z.ZodType> = z.ZodType<z.output<S> | OwnParam, z.input<S> | OwnParam>;

/** Let a definition of the user's own stand for a param. The kind's `definitions` say of which sort. */
export function ownable<S extends z.ZodType>(schema: S): Ownable<S> {
  return schema as unknown as Ownable<S>;
}

/** Whether a definition of the user's own stands for a param. */
export function isOwn(value: unknown): value is OwnParam {
  return typeof value === "object" && value !== null && typeof (value as { uses?: unknown }).uses === "string";
}
