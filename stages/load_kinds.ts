import type { BuiltinKind } from "../contract/stage.ts";
import { importLate } from "../std/import_late.ts";

/**
 * The kinds of stage that come with the toolkit, by name.
 * @param only the one that is asked, where the rest is of no use: all of them are two hundred modules
 */
export async function loadKinds(only?: string): Promise<Readonly<Record<string, BuiltinKind>>> {
  if (only === undefined) {
    return (await importLate<typeof import("./mod.ts")>(import.meta.resolve("./mod.ts"))).BUILTIN_KINDS;
  }
  const module = await importLate<Record<string, Partial<BuiltinKind>>>(import.meta.resolve(`./${only}/kind.ts`));
  const kind = Object.values(module).find((one) => one.kind === only);
  return kind === undefined ? {} : { [only]: kind as BuiltinKind };
}
