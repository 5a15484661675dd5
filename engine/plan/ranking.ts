import type { ArtifactRecord } from "../../schemas/records.ts";
import { type Selection, SELECTION_FILE, selectionSchema } from "../../schemas/selection.ts";
import type { ObjectStore } from "../store/objects.ts";

/** What an artifact of type `selection` says; undefined where it is damaged, which running its stage again mends. */
export function readRanking({ files }: ArtifactRecord, objects: ObjectStore): Selection["ranking"] | undefined {
  const entry = files.find(({ path }) => path === SELECTION_FILE);
  if (entry === undefined || !objects.verify(entry)) return undefined;
  const parsed = selectionSchema.safeParse(JSON.parse(Deno.readTextFileSync(objects.pathOf(entry.sha256))));
  return parsed.success ? parsed.data.ranking : undefined;
}
