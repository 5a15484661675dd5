import type { BuiltinKind } from "../contract/stage.ts";

/** As a call with a name that is known only then: what is named in an `import("…")` is found and parsed at the start. */
const load = (specifier: string) => import(specifier);

/**
 * The kinds of stage that come with the toolkit, by name.
 * @param only the one that is asked, where the rest is of no use: all of them are two hundred modules
 */
export async function loadKinds(only?: string): Promise<Readonly<Record<string, BuiltinKind>>> {
  if (only === undefined) {
    return (await load(import.meta.resolve("./mod.ts")) as typeof import("./mod.ts")).BUILTIN_KINDS;
  }
  const module = await load(import.meta.resolve(`./${only}/kind.ts`)) as Record<string, Partial<BuiltinKind>>;
  const kind = Object.values(module).find((one) => one.kind === only);
  return kind === undefined ? {} : { [only]: kind as BuiltinKind };
}
