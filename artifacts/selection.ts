import { z } from "zod";
import type { InputArtifact, OutputArtifact } from "../contract/stage.ts";
import { readJson, writeJson } from "./record.ts";

/** Artifact of type `selection`: candidates by their index in the list, best first. */
const SELECTION_FILE = "selection.json";

const selectionSchema = z.strictObject({
  format: z.literal(1),
  metric: z.string(),
  goal: z.enum(["lowest", "highest"]),
  ranking: z.array(z.strictObject({ candidate: z.int().min(0), value: z.number() })).min(1),
});

type Selection = z.output<typeof selectionSchema>;

export async function writeSelection(output: OutputArtifact, selection: Selection): Promise<void> {
  await writeJson(output, SELECTION_FILE, selection, selectionSchema);
}

/** @throws FormatError when the artifact's file is not that of `writeSelection` */
export async function validate(artifact: InputArtifact): Promise<Selection> {
  return await readJson(artifact, SELECTION_FILE, selectionSchema);
}
