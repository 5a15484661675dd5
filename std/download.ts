import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createHash, type Hash } from "node:crypto";
import { clearTimeout, setTimeout } from "node:timers";

/** A file that is downloaded, known by its digest. */
export interface KnownDownload {
  /** Its name in the key. */
  readonly name: string;
  readonly sha256: string;
  /** Its size, if known, else the largest size that such a file can have. No more is read from an address. */
  readonly maxBytes: number;
  /** Addresses to try in order, the only hosts to connect to; empty if param `name` has the path of such a file. */
  readonly urls: readonly string[];
  /** Further hosts that the addresses may redirect to, by https. */
  readonly redirects?: readonly string[];
}

/** The end of a download without a file. */
type NoFile =
  | { readonly status: "interrupted"; readonly step: number }
  | { readonly status: "failed"; readonly message: string; readonly fix: string };

interface DownloadOptions {
  /** Aborted when the user asks to stop. */
  readonly stop: AbortSignal;
  readonly report: (progress: { readonly done: number; readonly total: number; readonly unit: "MB" }) => void;
  readonly warn: (message: string) => void;
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

const INTERRUPTED: NoFile = { status: "interrupted", step: 0 };

/**
 * Gets a file whose SHA-256 is known: from the folder where it is kept, or from the first address that serves it. A
 * download that was cut off, in this run or an earlier one, is continued. Only a file with the right digest is kept.
 *
 * @param folder keeps the file under its digest, and beside it the part of an incomplete download
 * @returns the path of the file, or how the stage ends
 */
export async function download(file: KnownDownload, folder: string, options: DownloadOptions) {
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
  files: readonly KnownDownload[],
  { downloads: folder, ...options }: DownloadOptions & { readonly downloads: string | undefined },
): Promise<ReadonlyMap<string, string> | NoFile> {
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
async function isKept(path: string, { sha256 }: KnownDownload, { warn }: DownloadOptions): Promise<boolean> {
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

async function fetchFrom(file: KnownDownload, path: string, options: DownloadOptions): Promise<string | NoFile> {
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
  { sha256, maxBytes, urls, redirects = [] }: KnownDownload,
  path: string,
  options: DownloadOptions,
): Promise<string | NoFile | NetworkFailure> {
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

interface TransferOptions {
  /** Aborted when the user asks to stop. */
  readonly stop: AbortSignal;
  /** Time after which a server that sends next to nothing is given up. */
  readonly stallMs: number;
  /** Maximum size of the file: a response may be endless. */
  readonly maxBytes: number;
  /** Hosts, with ports, that redirects may lead to. */
  readonly hosts: ReadonlySet<string>;
  /** Called with the number of bytes received, and the total if the server reports it. */
  readonly onBytes: (done: number, total: number | undefined) => void;
}

const MAX_REDIRECTS = 5;
/**
 * Receiving fewer bytes than this in the time of a stall counts as receiving nothing: otherwise a download could go on
 * for ever.
 */
const LEAST_BYTES = 64 << 10;
/** Maximum duration of a download. */
const MAX_DURATION_MS = 24 * 3_600_000;

const CHUNK = 1 << 20;

/** HTTP statuses of failures that may be temporary. */
const PASSING = [408, 429, 500, 502, 503, 504];

/**
 * A failure of the network or the server; disk errors are passed on unchanged. `again`: the address may still serve the
 * file.
 */
class NetworkFailure extends Error {
  constructor(message: string, readonly again: boolean) {
    super(message);
  }
}

/**
 * Downloads the rest of a file: an existing part is continued if the server supports it (HTTP Range, RFC 9110), else
 * the download starts over. Whatever happens, the received bytes stay in the part.
 *
 * @returns the digest of the whole file, and whether a part existed before; undefined if the user asked to stop
 */
async function transfer(url: string, part: string, options: TransferOptions) {
  using file = await Deno.open(part, { read: true, write: true, create: true });
  const hash = await hashRest(file);
  const had = (await file.stat()).size;
  const { maxBytes, stallMs } = options;
  const least = Math.max(LEAST_BYTES, Math.ceil(maxBytes * stallMs / MAX_DURATION_MS));
  const stall = new AbortController();
  // Aborts when next to nothing arrives.
  const clock = setTimeout(() => stall.abort(), stallMs);
  const signal = AbortSignal.any([options.stop, stall.signal]);
  try {
    const response = await open(url, had, signal, options.hosts);
    if (response.status === 416) {
      await response.body?.cancel();
      // The part is all that the server has. Its digest shows if the part is the file.
      return { sha256: hash.digest("hex"), resumed: true };
    }
    const resumed = response.status === 206;
    const length = Number(response.headers.get("content-length") ?? NaN);
    const total = Number.isNaN(length) ? undefined : length + (resumed ? had : 0);
    if (total !== undefined && total > maxBytes) {
      await response.body?.cancel();
      throw new NetworkFailure(`it says that it is ${total} bytes long, and at most ${maxBytes} were expected`, false);
    }
    if (!resumed) await file.truncate(0);
    let done = resumed ? had : 0;
    await file.seek(done, Deno.SeekMode.Start);
    const digest = resumed ? hash : createHash("sha256");
    options.onBytes(done, total);
    let came = 0;
    for await (const chunk of chunksOf(response)) {
      came += chunk.length;
      if (came >= least) {
        came = 0;
        clock.refresh();
      }
      done += chunk.length;
      if (done > maxBytes) {
        // No download could continue from here.
        await file.truncate(0);
        throw new NetworkFailure(`more than ${maxBytes} bytes arrived`, false);
      }
      digest.update(chunk);
      for (let at = 0; at < chunk.length;) at += await file.write(chunk.subarray(at));
      options.onBytes(done, total);
    }
    if (total !== undefined && done < total) throw new NetworkFailure(`it ended after ${done} of ${total} bytes`, true);
    await file.syncData();
    return { sha256: digest.digest("hex"), resumed };
  } catch (error) {
    if (options.stop.aborted) return undefined;
    if (stall.signal.aborted) {
      return new NetworkFailure(`less than ${Math.ceil(least / 1000)} kB came in ${stallMs / 1000} s`, true);
    }
    if (error instanceof NetworkFailure) return error;
    throw error;
  } finally {
    clearTimeout(clock);
  }
}

/** Hashes a file from its current position, and leaves the position at the end. */
async function hashRest(file: Deno.FsFile): Promise<Hash> {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(CHUNK);
  for (let length = await file.read(buffer); length !== null; length = await file.read(buffer)) {
    hash.update(buffer.subarray(0, length));
  }
  return hash;
}

/** Returns the SHA-256 of a file in hexadecimal digits. */
async function hashFile(path: string): Promise<string> {
  using file = await Deno.open(path);
  return (await hashRest(file)).digest("hex");
}

/**
 * Requests a file from byte `from` on. Redirects are followed by hand, since the process may reach only declared hosts.
 */
async function open(url: string, from: number, signal: AbortSignal, hosts: ReadonlySet<string>) {
  let address = url;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const response = await fetch(address, {
      redirect: "manual",
      signal,
      // Without this header, a server may compress the response, and ranges would count compressed bytes.
      headers: { "accept-encoding": "identity", ...(from > 0 ? { range: `bytes=${from}-` } : {}) },
    }).catch((error) => Promise.reject(failureOf(error)));
    const { status } = response;
    if (status === 200 || (status === 416 && from > 0)) return response;
    const start = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1];
    if (status === 206 && Number(start) === from) return response;
    await response.body?.cancel();
    const target = response.headers.get("location");
    if (status >= 300 && status < 400 && target !== null) {
      const next = URL.parse(target, address);
      if (next === null) throw new NetworkFailure(`it redirects to ${target}, which is not a valid address`, false);
      address = next.href;
      if (hosts.has(next.host)) continue;
      throw new NetworkFailure(`it redirects to ${address}, a host that is not declared; use that address`, false);
    }
    throw new NetworkFailure(`HTTP ${status} ${response.statusText}`.trimEnd(), PASSING.includes(status));
  }
  throw new NetworkFailure(`more than ${MAX_REDIRECTS} redirects`, false);
}

/** Yields the chunks of a response. A consumer that stops early closes the connection. */
async function* chunksOf({ body }: Response): AsyncGenerator<Uint8Array> {
  try {
    yield* body ?? [];
  } catch (error) {
    throw failureOf(error);
  }
}

/** Deno reports every failure of the network as a TypeError or an error of the connection. */
function failureOf(error: unknown): unknown {
  return error instanceof Deno.errors.NotCapable ? error : new NetworkFailure(explain(error), true);
}

/** An error's cause says what went wrong, if there is one. The address is removed, since the message already has it. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause !== undefined) return explain(error.cause);
  return error.message.replace(/^error sending request for url \([^)]*\): /, "");
}
