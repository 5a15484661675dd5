import { join } from "node:path";
import type { RunOf } from "../../contract/stage.ts";
import { writeCheckpoint } from "../../artifacts/checkpoint.ts";
import { failedBy } from "../shared/failed.ts";
import { fromDiffusers } from "./diffusers.ts";
import type { importKind } from "./kind.ts";

const run: RunOf<typeof importKind> = async ({ params, outputs }) => {
  const imported = await fromDiffusers((name) => readIfThere(join(params.path, name)));
  if ("problem" in imported) return failedBy(imported.problem);
  await writeCheckpoint(outputs.checkpoint, imported.value);
  return undefined;
};

export default run;

async function readIfThere(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
