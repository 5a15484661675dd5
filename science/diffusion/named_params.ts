import { z } from "zod";

/** Definitions by name, each with its params. */
type Definitions = Readonly<Record<string, { readonly params: z.ZodObject }>>;

type Named<D extends Definitions> = {
  [N in keyof D & string]: z.ZodObject<{ name: z.ZodLiteral<N> } & D[N]["params"]["shape"], z.core.$strict>;
}[keyof D & string];

/** Returns the params that choose one of several definitions: its name, with its own params beside it. */
export function namedParams<D extends Definitions>(definitions: D): z.ZodDiscriminatedUnion<[Named<D>, ...Named<D>[]]> {
  const each = Object.entries(definitions).map(([name, { params: { shape, description = "" } }]) =>
    z.strictObject({ name: z.literal(name).describe(description), ...shape })
  );
  return z.discriminatedUnion("name", each as unknown as [Named<D>, ...Named<D>[]]);
}
