/**
 * Writes the list of the code that ships with noiseline and asks for no grant, engine/run/shipped.json.
 *
 *     deno run -A dev/pin_shipped.ts
 *
 * @module
 */
import { globSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { contentOf } from "../engine/run/rights.ts";
import { digestCode } from "../engine/process/code_digest.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const LIST: URL = new URL("../engine/run/shipped.json", import.meta.url);

/** Returns the digest of the content of each TypeScript file that belongs to a pipeline which ships, by its path. */
export async function listShipped(): Promise<Record<string, string>> {
  const names = globSync("pipelines/**/*.ts", { cwd: ROOT }).sort();
  const digested = await Promise.all(names.map(async (name) => {
    const file = join(ROOT, name);
    const code = await digestCode(file);
    if ("error" in code) throw new Error(`${file}: ${code.error}`);
    return [name, contentOf({ file, ...code })] as const;
  }));
  return Object.fromEntries(digested);
}

if (import.meta.main) await Deno.writeTextFile(LIST, `${JSON.stringify(await listShipped(), null, 2)}\n`);
