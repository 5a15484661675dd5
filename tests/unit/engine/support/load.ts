import { join } from "node:path";
import type { Diagnostic } from "../../../../engine/diagnostic/diagnostic.ts";
import { formatDiagnostic } from "../../../../engine/diagnostic/format.ts";
import { loadPipeline } from "../../../../engine/pipeline/load/load_pipeline.ts";
import type { Pipeline } from "../../../../engine/pipeline/pipeline.ts";
import { TINY_KINDS } from "./tiny_kinds.ts";
import { makeTempFolder } from "./temp.ts";

/** Loads YAML text as `p.yaml` of a folder, with the tiny kinds. */
export async function load(folder: string, yaml: string, overrides: readonly string[] = [], kinds = TINY_KINDS) {
  const file = join(folder, "p.yaml");
  // Two loads at once must not see each other's half-written file.
  if (await Deno.readTextFile(file).catch(() => undefined) !== yaml) await Deno.writeTextFile(file, yaml);
  return await loadPipeline(file, { kinds, overrides });
}

export async function loadGood(
  folder: string,
  yaml: string,
  overrides: readonly string[] = [],
  kinds?: typeof TINY_KINDS,
): Promise<Pipeline> {
  const loaded = await load(folder, yaml, overrides, kinds);
  if (!loaded.ok) throw new Error(loaded.diagnostics.map((one) => formatDiagnostic(one)).join("\n"));
  return loaded.value;
}

/** Returns the diagnostics of a pipeline that must not load. */
export async function problemsOf(
  yaml: string,
  overrides: readonly string[] = [],
  kinds?: typeof TINY_KINDS,
): Promise<readonly Diagnostic[]> {
  await using folder = await makeTempFolder();
  const loaded = await load(folder.path, yaml, overrides, kinds);
  if (loaded.ok) throw new Error(`It loads: ${yaml}`);
  return loaded.diagnostics;
}
