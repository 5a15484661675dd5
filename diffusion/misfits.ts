/** Shapes of parameters or tensors by name. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** Returns the shapes of parameters. */
export function shapesOf(parameters: readonly { readonly name: string; readonly shape: readonly number[] }[]): Shapes {
  return new Map(parameters.map(({ name, shape }) => [name, shape]));
}

/** Describes every difference between the weights of a checkpoint and those of a network, by name with both shapes. */
export function describeMisfits(given: Shapes, wanted: Shapes): string[] {
  const shown = (shape: readonly number[] | undefined) => shape === undefined ? "none" : `[${shape.join(", ")}]`;
  return [...new Map([...wanted, ...given]).keys()].filter((name) => `${given.get(name)}` !== `${wanted.get(name)}`)
    .map((name) => `${name}: ${shown(given.get(name))} in the checkpoint, ${shown(wanted.get(name))} in the network`);
}
