import type { ArtifactRecord } from "../../schemas/records.ts";
import type { InputArtifact } from "../../stages/contract.ts";
import type { ObjectStore } from "./objects.ts";
import { Misplaced } from "./trouble.ts";

/** An artifact of the store, to be read outside of a stage. @throws Misplaced for a file that is missing or damaged */
export function openStoredArtifact({ type, digest, files }: ArtifactRecord, objects: ObjectStore): InputArtifact {
  const path = (name: string): string => {
    const entry = files.find((file) => file.path === name);
    if (entry === undefined) throw new Error(`the artifact has no file ${name}`);
    // A page of damaged numbers would be worse than none.
    if (!objects.verify(entry)) {
      throw new Misplaced(`${name} is missing or damaged in the store; run the pipeline again`);
    }
    return objects.pathOf(entry.sha256);
  };
  return {
    type,
    digest,
    files,
    path,
    read: async (name) => await Deno.readFile(path(name)),
    readText: async (name) => await Deno.readTextFile(path(name)),
  };
}
