/** Shapes of parameters or tensors by name. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** Returns the shapes of parameters. */
export function shapesOf(parameters: readonly { readonly name: string; readonly shape: readonly number[] }[]): Shapes {
  return new Map(parameters.map(({ name, shape }) => [name, shape]));
}

/** Describes every difference between given weights and those that a network has, by name with both shapes. */
export function describeMisfits(given: Shapes, wanted: Shapes): string[] {
  const shown = (shape: readonly number[]) => `[${shape.join(", ")}]`;
  const misplaced = [...wanted].flatMap(([name, shape]) => {
    const got = given.get(name);
    if (got === undefined) return [`no ${name} ${shown(shape)}`];
    return `${got}` === `${shape}` ? [] : [`${name} ${shown(got)} in place of ${shown(shape)}`];
  });
  const extra = [...given].filter(([name]) => !wanted.has(name));
  return [...misplaced, ...extra.map(([name, shape]) => `${name} ${shown(shape)}, which it does not have`)];
}
