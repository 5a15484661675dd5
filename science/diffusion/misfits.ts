/** Shapes of parameters or tensors by name. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** Returns the shapes of parameters. */
export function shapesOf(parameters: readonly { readonly name: string; readonly shape: readonly number[] }[]): Shapes {
  return new Map(parameters.map(({ name, shape }) => [name, shape]));
}

/** Describes every difference between two maps: of a checkpoint's shapes or settings, and of a network's. */
export function describeMisfits(given: ReadonlyMap<string, unknown>, wanted: ReadonlyMap<string, unknown>): string[] {
  const shown = (value: unknown = "none") => Array.isArray(value) ? `[${value.join(", ")}]` : `${value}`;
  return [...new Map([...wanted, ...given]).keys()].filter((name) => `${given.get(name)}` !== `${wanted.get(name)}`)
    .map((name) => `${name}: ${shown(given.get(name))} in the checkpoint, ${shown(wanted.get(name))} in the network`);
}
