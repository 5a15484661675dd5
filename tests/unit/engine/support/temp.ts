import { join } from "node:path";
import { allowWritesBelow } from "../../../../engine/store/write_roots.ts";
import { listFiles } from "../../../../engine/store/folders.ts";

/** Makes a temporary folder that the store may write to, gone at the end of the scope. */
export async function makeTempFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.realPath(await Deno.makeTempDir({ prefix: "noiseline-unit-" }));
  allowWritesBelow(path);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** Returns the paths of all files below a folder. */
export function filesBelow(folder: string): string[] {
  return listFiles(folder).files.map((path) => join(folder, path));
}
