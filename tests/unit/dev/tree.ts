import { dirname, join } from "node:path";

/**
 * Makes a temporary tree of source files, gone at the end of the scope.
 * @param imports the modules that names stand for
 */
export async function makeTree(
  files: Readonly<Record<string, string>>,
  imports: Readonly<Record<string, string>> = {},
): Promise<{ root: string } & AsyncDisposable> {
  const root = await Deno.makeTempDir({ prefix: "noiseline-tree-" });
  for (const [path, text] of Object.entries({ ...files, "deno.json": JSON.stringify({ imports }) })) {
    await Deno.mkdir(dirname(join(root, path)), { recursive: true });
    await Deno.writeTextFile(join(root, path), text);
  }
  return { root, [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }) };
}
