import { dirname, join } from "node:path";
import { listFiles } from "../../engine/store/folders.ts";
import { allBlocks, type Block, ROOT } from "./blocks.ts";

/** Makes a folder for the documents, without a deno.json above it, so that nothing is written to this clone. */
export async function makePlace() {
  const path = await Deno.makeTempDir({ prefix: "noiseline-docs-" });
  const pipelines = join(ROOT, "pipelines");
  const { files } = listFiles(pipelines);
  for (const file of files.filter((name) => /\.(yaml|ts)$/.test(name) && !/outputs|\.noiseline/.test(name))) {
    await Deno.mkdir(dirname(join(path, "pipelines", file)), { recursive: true });
    await Deno.copyFile(join(pipelines, file), join(path, "pipelines", file));
  }
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/**
 * Returns a block's file name: a block whose first line is `// name.ts` is a file that pipelines of the documents may
 * use by that name.
 */
function nameOf({ text }: Block, index: number): string {
  return /^\/\/ ([\w-]+\.ts)\n/.exec(text)?.[1] ?? `block_${index}.ts`;
}

/**
 * Writes the ts blocks into a folder, and the programs: python blocks whose first line is `# name.py`.
 * @returns their names there, and a text for messages that says which block is which
 */
export function writeModules(folder: string): { readonly names: readonly string[]; readonly where: string } {
  const ts = allBlocks().filter(({ language }) => language === "ts");
  const names = ts.map(nameOf);
  for (const { language, text } of allBlocks()) {
    const name = language === "python" ? /^# ([\w-]+\.py)\n/.exec(text)?.[1] : undefined;
    if (name !== undefined) Deno.writeTextFileSync(join(folder, name), text);
  }
  ts.forEach(({ text }, index) => Deno.writeTextFileSync(join(folder, names[index]!), text));
  return { names, where: ts.map(({ place }, index) => `${names[index]} is ${place}`).join("\n") };
}

/**
 * Runs Deno on modules in a folder with this clone's configuration.
 * @returns its output if it failed
 */
export async function deno(cwd: string, command: string, ...args: string[]): Promise<string | undefined> {
  const all = [command, "--quiet", `--config=${join(ROOT, "deno.json")}`, ...args];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), { args: all, cwd, env: { NO_COLOR: "1" } })
    .output();
  return success ? undefined : new TextDecoder().decode(stderr);
}
