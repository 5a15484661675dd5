import { join } from "node:path";
import type { StageEnd } from "../../engine/contract/stage.ts";
import { refuse } from "../../science/formats/format_error.ts";
import { downloadAll } from "../../std/download.ts";
import type { Items } from "./items.ts";
import { type DatasetContext, downloadsOf } from "./kind.ts";

/** The ends of the names of sources that may be several files. */
const SEVERAL = { tar: /\.(tar|tar\.gz|tgz)$/i, parquet: /\.parquet$/i };

/** Lists a user's own data, or returns how the stage ends without it. @throws FormatError for broken files */
export async function openOwn(context: DatasetContext): Promise<Items | StageEnd> {
  const { params } = context;
  const { source } = params;
  let { path } = params;
  if (path === undefined) {
    const obtained = await downloadAll(downloadsOf(params), context);
    if ("status" in obtained) return obtained;
    path = obtained.get("path")!;
  }
  const isFolder = (await Deno.stat(path)).isDirectory;
  const names = source === "tar" || source === "parquet" ? SEVERAL[source] : undefined;
  if (source === "folder" && !isFolder) refuse(path, "a file", "the folder of the images");
  if (source !== "folder" && isFolder && names === undefined) refuse(path, "a folder", "the file");
  const paths = isFolder && names !== undefined
    ? (await Array.fromAsync(Deno.readDir(path), ({ name }) => name)).filter((name) => names.test(name)).sort()
      .map((name) => join(path, name))
    : [path];
  if (paths.length === 0) refuse(path, `no ${source} file`, "the file, or the folder of several");
  if (source === "numpy") return await (await import("./numpy.ts")).open({ ...params, path });
  if (source === "parquet") return await (await import("./parquet.ts")).open(paths, params);
  return await (await import("./files.ts")).open(paths, params);
}
