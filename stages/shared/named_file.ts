import type { CheckProblem, DownloadExternal, StageContext, StageEnd } from "../contract.ts";
import { download } from "./download/download.ts";

/** Params that name a file of the user's: where it lies, or where to fetch it. */
interface NamedFile {
  readonly path?: string | undefined;
  readonly url?: string | undefined;
  readonly sha256?: string | undefined;
}

/** What keeps the params from naming one file. */
export function checkNamedFile({ path, url, sha256 }: NamedFile): CheckProblem[] {
  const problems: CheckProblem[] = [];
  if (path !== undefined && url !== undefined) {
    problems.push({ param: ["url"], message: "url does not go with path", fix: "remove url, or path" });
  }
  if (url !== undefined && sha256 === undefined) {
    const message = "what is fetched must be known by its content";
    problems.push({ param: ["url"], message, wanted: "sha256", fix: "add sha256 of the file" });
  }
  return problems;
}

/** What is to be fetched, or at a path must have the digest that is given. */
export function namedDownloads(
  { path, url, sha256 }: NamedFile,
  maxBytes: number,
): DownloadExternal[] {
  if (sha256 === undefined || (path ?? url) === undefined) return [];
  // Named like the param whose content it stands in for: the file is the same, however it came.
  return [{ name: "path", sha256, maxBytes, urls: path === undefined ? [url!] : [] }];
}

/** The bytes of a file that params name or a kind fetches, or how the stage ends without them. */
export async function readNamedFile(
  { downloads, stop, report, warn }: Pick<StageContext, "downloads" | "stop" | "report" | "warn">,
  { path, file, maxBytes }: {
    readonly path: string | undefined;
    readonly file: DownloadExternal | undefined;
    readonly maxBytes: number;
  },
): Promise<{ readonly bytes: Uint8Array<ArrayBuffer> } | { readonly end: StageEnd }> {
  let place = path;
  if (place === undefined) {
    if (downloads === undefined) throw new Error("Cannot happen: a stage that fetches files has a folder for them");
    const got = await download(file!, downloads, { stop, report, warn });
    if ("end" in got) return got;
    place = got.path;
  }
  const { size } = await Deno.stat(place);
  if (size > maxBytes) {
    const message = `${place} is too large: got ${size} bytes, wanted at most ${maxBytes}`;
    return { end: { status: "failed", message, fix: "correct path" } };
  }
  return { bytes: await Deno.readFile(place) };
}
