import type { ArtifactRecord } from "../../schemas/records.ts";
import type { InputArtifact } from "../../contract/stage.ts";
import { openInput } from "./context.ts";
import type { ObjectStore } from "../store/objects.ts";
import { Misplaced } from "../store/trouble.ts";

/** An artifact of the store, to be read outside of a stage. @throws Misplaced for a file that is missing or damaged */
export function openStoredArtifact({ type, digest, files }: ArtifactRecord, objects: ObjectStore): InputArtifact {
  return openInput({ type, digest, files, folder: null }, (file) => {
    // A page of damaged numbers would be worse than none.
    if (objects.verify(file)) return objects.pathOf(file.sha256);
    throw new Misplaced(`${file.path} is missing or damaged in the store; run the pipeline again`);
  });
}
