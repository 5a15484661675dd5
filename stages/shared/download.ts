import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { DownloadExternal, StageContext, StageEnd } from "../../contract/stage.ts";
import { hashFile, NetworkFailure, transfer } from "./transfer.ts";

/** A file as its authors publish it. */
export interface PublishedFile {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
}

interface DownloadOptions extends Pick<StageContext, "stop" | "report" | "warn"> {
  /** Time after which a server that sends next to nothing is given up. Default 30 s. */
  readonly stallMs?: number;
  /** Wait before the next request to the same address; doubled each time. Default 1 s. */
  readonly waitMs?: number;
}

/** Maximum number of requests to one address. */
const TRIES = 3;
const MEGABYTE = 1e6;
/** Interval of attempts to get a lock that another process holds. */
const POLL_MS = 200;

const INTERRUPTED: StageEnd = { status: "interrupted", step: 0 };

/**
 * Gets a file whose SHA-256 is known: from the folder where it is kept, or from the first address that serves it. A
 * download that was cut off, in this run or an earlier one, is continued. Only a file with the right digest is kept.
 *
 * @param folder keeps the file under its digest, and beside it the part of an incomplete download
 * @returns the path of the file, or how the stage ends
 */
export async function download(file: DownloadExternal, folder: string, options: DownloadOptions) {
  const path = join(folder, file.sha256);
  // The kernel releases a lock when its file is closed, and therefore when a process dies. The lock file stays, since
  // removing it would let two processes hold locks on two files of one name.
  using lock = await Deno.open(`${path}.lock`, { read: true, write: true, create: true });
  while (!await lock.tryLock(true)) {
    if (options.stop.aborted) return INTERRUPTED;
    await delay(POLL_MS);
  }
  return await isKept(path, file, options) ? path : await fetchFrom(file, path, options);
}

/** Downloads several files. @returns their paths by their name in the key, or how the stage ends without them */
export async function downloadAll(
  files: readonly DownloadExternal[],
  { downloads: folder, ...options }: DownloadOptions & Pick<StageContext, "downloads">,
): Promise<ReadonlyMap<string, string> | StageEnd> {
  const paths = new Map<string, string>();
  for (const file of files) {
    // A stage that downloads files has a folder for them.
    const got = await download(file, folder!, options);
    if (typeof got !== "string") return got;
    paths.set(file.name, got);
  }
  return paths;
}

/** True if the whole file is there. A damaged file is removed, to be downloaded again. */
async function isKept(path: string, { sha256 }: DownloadExternal, { warn }: DownloadOptions): Promise<boolean> {
  try {
    if (await hashFile(path) === sha256) return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
  warn(`the fetched file ${path} is damaged; fetching it again`);
  await Deno.remove(path);
  return false;
}

async function fetchFrom(file: DownloadExternal, path: string, options: DownloadOptions): Promise<string | StageEnd> {
  const reasons: string[] = [];
  for (const url of file.urls) {
    const got = await fetchOne(url, file, path, options);
    if (!(got instanceof NetworkFailure)) return got;
    reasons.push(`${url}: ${got.message}`);
    options.warn(`cannot fetch ${reasons.at(-1)}`);
  }
  const addresses = reasons.length === 1 ? "its address" : `any of ${reasons.length} addresses`;
  const name = file.urls[0]!.split("/").at(-1);
  return {
    status: "failed",
    message: `cannot fetch ${name} from ${addresses}:\n${reasons.map((reason) => `  ${reason}`).join("\n")}`,
    fix: "check the network and the addresses, then run again, which continues the download; " +
      "or fetch the data yourself and set path",
  };
}

async function fetchOne(
  url: string,
  { sha256, maxBytes, urls, redirects = [] }: DownloadExternal,
  path: string,
  options: DownloadOptions,
): Promise<string | StageEnd | NetworkFailure> {
  const { stop, report, stallMs = 30_000, waitMs = 1_000 } = options;
  const part = `${path}.part`;
  const hosts = new Set([...urls.map((one) => new URL(one).host), ...redirects]);
  const onBytes = (bytes: number, total = bytes) =>
    report({ done: Math.floor(bytes / MEGABYTE), total: Math.ceil(total / MEGABYTE), unit: "MB" });
  for (let tries = 1;; tries++) {
    let got = await transfer(url, part, { stop, stallMs, hosts, onBytes, maxBytes });
    if (got === undefined) return INTERRUPTED;
    if ("sha256" in got) {
      if (got.sha256 === sha256) {
        await Deno.rename(part, path);
        return path;
      }
      // A wrong part cannot be told from a right one, so nothing is kept.
      await Deno.remove(part);
      // The part may have come from another address. This address is known to serve a wrong file only once all of the
      // file came from there.
      got = new NetworkFailure(`its SHA-256 is ${got.sha256}, wanted ${sha256}`, got.resumed);
    }
    if (!got.again || tries === TRIES) return got;
    // Waits at most until the user asks to stop, which the next transfer then reports.
    await delay(waitMs * 2 ** (tries - 1), undefined, { signal: stop }).catch(() => {});
  }
}
