import type { StageEnd } from "../../contract/stage.ts";
import type { DatasetContext } from "./context.ts";
import { downloadsOf } from "./downloads.ts";
import { download } from "../shared/download/download.ts";

/** All files that the params say to fetch, by their name in the key; or how the stage ends without them. */
export async function obtainFiles(
  { params, downloads: folder, stop, report, warn }: DatasetContext,
): Promise<{ readonly paths: ReadonlyMap<string, string> } | { readonly end: StageEnd }> {
  if (folder === undefined) throw new Error("Cannot happen: a stage that fetches files has a folder for them");
  const paths = new Map<string, string>();
  for (const file of downloadsOf(params)) {
    const got = await download(file, folder, { stop, report, warn });
    if ("end" in got) return got;
    paths.set(file.name, got.path);
  }
  return { paths };
}
