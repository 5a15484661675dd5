/**
 * Import a module where it is needed. Before a program starts, Deno finds and parses all that `import("…")` names in
 * its code, whether it is reached or not: four hundred files for a run that has nothing to do. What is imported by this
 * is read when it is called. The type says which module it is, for the compiler and for whoever follows imports.
 *
 *     await importLate<typeof import("./load.ts")>(import.meta.resolve("./load.ts"))
 *
 * @param specifier an address, or a name of the import map
 */
export function importLate<Module>(specifier: string): Promise<Module> {
  return import(specifier);
}
