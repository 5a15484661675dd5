/** Where modules lie that a Python finds in the user's own shell, and that no key has: stages do not see them. */
import { isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { parseJson } from "../store/records.ts";
import { readTextIfThere, realPath } from "../store/reading.ts";
import { namesIn } from "./process_tree.ts";

/** By PEP 610 every installer says so where a package lies that it has not copied. */
const editableSchema = z.object({
  url: z.string().startsWith("file:///").transform((url) => fileURLToPath(url)),
  dir_info: z.object({ editable: z.literal(true) }),
});

/** Returns the path of a module that lies in such a place. @param folders in which the Python looks for modules */
export function findStray(module: string, folders: readonly string[]): string | undefined {
  const account = join(Deno.env.get("HOME") ?? "/", ".local/lib");
  const places = [
    ...Deno.env.get("PYTHONPATH")?.split(":").filter(isAbsolute) ?? [],
    ...namesIn(account).map((name) => join(account, name, "site-packages")),
    ...folders.flatMap(editableIn),
  ];
  const isOf = (name: string) => name === module || name.startsWith(`${module}.`) && /\.(py|so)$/.test(name);
  return places.flatMap((place) => namesIn(place).filter(isOf).map((name) => join(place, name)))[0];
}

/** Returns where the modules of packages lie that are installed in editable form. */
function editableIn(site: string): string[] {
  return namesIn(site).filter((name) => name.endsWith(".dist-info")).flatMap((name) => {
    const text = readTextIfThere(realPath(join(site, name, "direct_url.json"))) ?? "";
    const folder = parseJson(text, editableSchema)?.url;
    return folder === undefined ? [] : [folder, join(folder, "src")];
  });
}
