/**
 * Imports a module when this is called. Before a program starts, Deno finds and parses everything that `import("…")`
 * names in its code, even if the call is never reached: four hundred files for a run that has nothing to do. The type
 * argument says which module it is, for the compiler and for whoever follows imports.
 *
 *     await importLate<typeof import("./load.ts")>(import.meta.resolve("./load.ts"))
 *
 * @param specifier an address, or a name of the import map
 */
export function importLate<Module>(specifier: string): Promise<Module> {
  return import(specifier);
}
