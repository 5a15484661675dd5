import type { InputArtifact, OutputArtifact } from "../engine/contract/stage.ts";
import { type Selection, SELECTION_FILE, selectionSchema } from "../schemas/selection.ts";
import { readJson, writeJson } from "./record.ts";

export async function writeSelection(output: OutputArtifact, selection: Selection): Promise<void> {
  await writeJson(output, SELECTION_FILE, selection, selectionSchema);
}

/** @throws FormatError when the artifact's file is not that of `writeSelection` */
export async function validate(artifact: Pick<InputArtifact, "files" | "readText">): Promise<Selection> {
  return await readJson(artifact, SELECTION_FILE, selectionSchema);
}
