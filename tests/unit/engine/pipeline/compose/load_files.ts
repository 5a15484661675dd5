import { assert } from "@std/assert";
import { dirname, join } from "node:path";
import type { Diagnostic } from "../../../../../engine/diagnostic/diagnostic.ts";
import { formatDiagnostic } from "../../../../../engine/diagnostic/format.ts";
import { loadPipeline } from "../../../../../engine/pipeline/load/load_pipeline.ts";
import type { Pipeline } from "../../../../../engine/pipeline/pipeline.ts";
import { makeTempFolder } from "../../support/temp.ts";
import { TINY_KINDS } from "../../support/tiny_kinds.ts";

interface Options {
  readonly profiles?: readonly string[];
  readonly overrides?: readonly string[];
  readonly allowMissingInputs?: boolean;
}

/** Loads `p.yaml` of a folder with these files. */
export async function loadFiles(files: Record<string, string>, options: Options = {}) {
  await using folder = await makeTempFolder();
  for (const [name, text] of Object.entries(files)) {
    await Deno.mkdir(dirname(join(folder.path, name)), { recursive: true });
    await Deno.writeTextFile(join(folder.path, name), text);
  }
  return await loadPipeline(join(folder.path, "p.yaml"), { kinds: TINY_KINDS, ...options });
}

export async function good(files: Record<string, string>, options: Options = {}): Promise<Pipeline> {
  const loaded = await loadFiles(files, options);
  if (!loaded.ok) throw new Error(loaded.diagnostics.map((one) => formatDiagnostic(one)).join("\n"));
  return loaded.value;
}

export async function bad(files: Record<string, string>, options: Options = {}): Promise<readonly Diagnostic[]> {
  const loaded = await loadFiles(files, options);
  assert(!loaded.ok, "it loads");
  return loaded.diagnostics;
}
