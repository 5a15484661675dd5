import { join } from "node:path";
import { type ArtifactRecord, type FileEntry, relativePathSchema, type ResultManifest } from "../../schemas/records.ts";
import { artifactDigest } from "../fingerprint/keys.ts";
import type { PlannedStage } from "../plan/plan.ts";
import { flushAhead, listFiles, statIfThere } from "../store/files.ts";
import type { Store } from "../store/store.ts";

export type Collected =
  | {
    readonly outputs: Record<string, ArtifactRecord>;
    /** Whether the folders are empty now: all files were moved, and there were no folders among them. */
    readonly emptied: boolean;
  }
  | { readonly error: string; readonly fix: string };

/** Flush what a stage wrote while other stages go on. What taking it into the store flushes is then flushed already. */
export async function flushOutputs(folders: Readonly<Record<string, string>>): Promise<void> {
  const paths = Object.values(folders).flatMap((folder) => listFiles(folder).files.map((name) => join(folder, name)));
  for (const path of paths) await flushAhead(path);
}

/** Look at what a stage wrote, by itself and not by what the stage says, and move it into the store. */
export function collectOutputs(
  planned: PlannedStage,
  folders: Readonly<Record<string, string>>,
  store: Store,
): Collected {
  const listed: Record<string, string[]> = {};
  for (const [port, folder] of Object.entries(folders)) {
    const { files, strange } = listFiles(folder);
    if (strange.length > 0) {
      return {
        error: `output "${port}" holds something that is not a plain file: ${strange.slice(0, 3).join(", ")}`,
        fix: "write plain files; links may lead out of the artifact",
      };
    }
    const badName = files.find((name) => !relativePathSchema.safeParse(name).success);
    if (badName !== undefined) {
      return {
        error: `output "${port}" has a file name that cannot be kept: ${badName}`,
        fix: "use plain names without \\",
      };
    }
    if (files.length === 0) {
      return {
        error: `it ended without writing its output "${port}"`,
        fix: `write at least one file to outputs.${port}`,
      };
    }
    listed[port] = files;
  }
  const outputs: Record<string, ArtifactRecord> = {};
  let emptied = true;
  for (const [port, names] of Object.entries(listed)) {
    const type = planned.stage.kind.outputs[port]!.type;
    const files = names.map((name): FileEntry => {
      const path = join(folders[port]!, name);
      const { moved, ...taken } = store.objects.take(path, statIfThere(path)!.size);
      emptied &&= moved && !name.includes("/");
      return { path: name, ...taken };
    });
    outputs[port] = { type, digest: artifactDigest(type, files), files };
  }
  return { outputs, emptied };
}

/** The record that will make the result exist. */
export function makeManifest(
  planned: PlannedStage,
  outputs: Record<string, ArtifactRecord>,
  runId: string,
): ResultManifest {
  const { resolvedKey, identityKey, ingredients } = planned.keys!;
  return {
    format: 1,
    resolvedKey,
    recipeKey: planned.recipeKey,
    identityKey,
    localKey: planned.localKey,
    extent: planned.stage.extent ?? null,
    ingredients,
    outputs,
    numerics: planned.device?.numerics ?? null,
    runId,
  };
}

/** Ports whose bytes differ between two results of one key. */
export function differingPorts(a: ResultManifest, b: ResultManifest): string[] {
  return Object.keys(a.outputs).filter((port) => a.outputs[port]!.digest !== b.outputs[port]?.digest);
}
