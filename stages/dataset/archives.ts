import { parseJson } from "../../artifacts/record.ts";
import type { Entry } from "../../science/formats/archives.ts";
import { refuse } from "../../science/formats/format_error.ts";
import { kindOfName, NOT_UTF8 } from "./folders.ts";
import { type Files, isHidden, MAX_FILE_BYTES, readable } from "./image_files.ts";
import type { BrokenFiles } from "./items.ts";
import { MOST_TABLE_BYTES } from "./labels.ts";

/** Goes through the files of an archive once, in their order. */
type Pass = () => AsyncIterable<Entry>;

/** Files that tell a label have no more than this, and labels, which stay in memory, no more characters. */
const MOST_JSON_BYTES = 1 << 20;
const MOST_LABEL = 1_024;

/** Names a sample of a WebDataset: the path up to the first dot of the file's name. */
export const sampleOf = (name: string) => /^(?:.*\/)?[^/.]*/.exec(name)![0];

/**
 * Lists the images of an archive, which stays packed: reading goes through it a second time.
 * @param column the key of the labels in the `.json` beside each image, if that has them
 */
export async function listArchive(pass: Pass, column: string | undefined): Promise<Files> {
  /** Places in the archive, by name. */
  const images = new Map<string, number>();
  const broken: BrokenFiles = new Map();
  const samples = new Map<string, unknown>();
  let table: Uint8Array | undefined;
  let [others, at] = [0, -1];
  for await (const entry of pass()) {
    const { name, isFile } = entry;
    at++;
    if (isHidden(name) || name === "" || name.endsWith("/")) continue;
    const kind = kindOfName(name);
    if (name === "dataset.json" && isFile) table = await entry.read(MOST_TABLE_BYTES);
    else if (name.endsWith(".cls") && isFile && column === undefined) {
      samples.set(sampleOf(name), new TextDecoder().decode(await entry.read(MOST_LABEL)).trim());
    } else if (name.endsWith(".json") && isFile && column !== undefined) {
      const said = parseJson(name, new TextDecoder().decode(await entry.read(MOST_JSON_BYTES)));
      const label = new Map(Object.entries(said ?? {})).get(column);
      const length = JSON.stringify(label ?? null).length;
      if (length > MOST_LABEL) refuse(name, `a label of ${length} characters`, `at most ${MOST_LABEL}`);
      samples.set(sampleOf(name), label);
    } else if (kind === "other") others++;
    else if (name.includes("\ufffd")) broken.set(name, NOT_UTF8);
    else if (kind !== "image") broken.set(name, kind);
    else if (!isFile) broken.set(name, "a link, or something else that is no file");
    else if (images.has(name)) broken.set(name, "a second file of this name");
    else images.set(name, at);
  }
  const places = Uint32Array.from(images.values());
  return {
    ...{ images: [...images.keys()], broken, others, samples, table },
    async *read(chosen) {
      let [at, next] = [-1, 0];
      for await (const entry of pass()) {
        if (++at !== places[chosen[next]!]) continue;
        yield await readable(() => entry.read(MAX_FILE_BYTES));
        if (++next === chosen.length) return;
      }
    },
  };
}
