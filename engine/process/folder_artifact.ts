import { join } from "node:path";
import type { ArtifactType } from "../../schemas/artifacts.ts";
import { artifactDigest } from "../keys/keys.ts";
import { hashFile } from "../store/reading.ts";
import { listFiles } from "../store/folders.ts";
import type { InputMessage } from "./protocol.ts";

/** The files of a folder as an artifact, for a stage that runs without a store. */
export function folderArtifact(folder: string, type: ArtifactType): InputMessage {
  const files = listFiles(folder).files.map((path) => {
    const place = join(folder, path);
    return { path, size: Deno.statSync(place).size, sha256: hashFile(place) };
  });
  return { type, digest: artifactDigest(type, files), files, folder };
}
