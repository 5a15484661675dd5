import { createHash } from "node:crypto";
import type { CheckProblem, StageContext, StageEnd } from "../../engine/contract/stage.ts";
import { download, type KnownDownload } from "../../std/download.ts";
import { problemsOf } from "./checks.ts";

/** Params that name a file of the user's: its path, or an address to download it from. */
interface NamedFile {
  readonly path?: string | undefined;
  readonly url?: string | undefined;
  readonly sha256?: string | undefined;
}

/** Reports problems of params that do not name exactly one file. */
export function checkNamedFile({ path, url, sha256 }: NamedFile): CheckProblem[] {
  return problemsOf(
    path !== undefined && url !== undefined && {
      param: ["url"],
      message: "url does not go with path",
      fix: "remove url, or path",
    },
    url !== undefined && sha256 === undefined && {
      param: ["url"],
      message: "a file to fetch needs its SHA-256",
      wanted: "sha256",
      fix: "add sha256 of the file",
    },
  );
}

/** Returns the file to download, or the digest that the file at the path must have. */
export function namedDownloads(
  { path, url, sha256 }: NamedFile,
  maxBytes: number,
): KnownDownload[] {
  if (sha256 === undefined || (path ?? url) === undefined) return [];
  // Named like the param whose content it replaces: the file is the same, however it was obtained.
  return [{ name: "path", sha256, maxBytes, urls: path === undefined ? [url!] : [] }];
}

/**
 * Reads a file at a path or downloads it, and checks its digest against the key; or returns how the stage ends without
 * it.
 */
export async function readNamedFile(
  { params: { path }, externals, downloads, ...options }:
    & Pick<StageContext, "externals" | "downloads" | "stop" | "report" | "warn">
    & { readonly params: NamedFile },
  file: KnownDownload | undefined,
  maxBytes: number,
): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly sha256: string } | StageEnd> {
  const place = path ?? await download(file!, downloads!, options);
  if (typeof place !== "string") return place;
  const { size } = await Deno.stat(place);
  if (size > maxBytes) {
    const message = `${place} is too large: got ${size} bytes, wanted at most ${maxBytes}`;
    return { status: "failed", message, fix: "correct path" };
  }
  const bytes = await Deno.readFile(place);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const wanted = externals["path"];
  if (sha256 === wanted) return { bytes, sha256 };
  const message = `${place} is not the file that was planned: got SHA-256 ${sha256}, wanted ${wanted}`;
  return { status: "failed", message, fix: "do not change the file while a stage reads it, and run again" };
}
