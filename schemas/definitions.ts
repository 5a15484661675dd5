import { z } from "zod";

/** The sorts of definitions that a user's file may export. */
export const SORTS = ["network", "objective", "path", "sampler", "augmentation", "autoencoder"] as const;

/** One of {@linkcode SORTS}. */
export type Sort = typeof SORTS[number];

/**
 * An artifact's record of the definition that it was made with: data alone. Whoever needs the code of the definition
 * takes it from the project, and checks it against the digest.
 */
export const ownRecordSchema = z.strictObject({
  /** The name of the file, for people. */
  uses: z.string().min(1).max(255),
  /** The digest of its modules. */
  code: z.string().regex(/^[0-9a-f]{64}$/),
  params: z.record(z.string(), z.unknown()),
});

export type OwnRecord = z.output<typeof ownRecordSchema>;

/** A user definition in place of a param: its file, with its params beside it. */
export type OwnParam = { readonly uses: string } & Readonly<Record<string, unknown>>;

/** A user definition as a pipeline may write it. */
export const definitionInputSchema = z.looseObject({
  uses: z.string(),
  name: z.never().optional().describe("The name of a built-in; not allowed beside `uses`"),
});

/** A schema whose value may also be a user definition, which the engine checks separately. */
type Ownable<S extends z.ZodType> = z.ZodType<z.output<S> | OwnParam, z.input<S> | OwnParam>;

/** Allows a user definition in place of a param. The kind's `definitions` say which sort. */
export function ownable<S extends z.ZodType>(schema: S): Ownable<S> {
  return schema as unknown as Ownable<S>;
}

/** Returns true if a param is a user definition. */
export function isOwn(value: unknown): value is OwnParam {
  return typeof value === "object" && value !== null && typeof (value as { uses?: unknown }).uses === "string";
}
