import { mkdirSync, rmSync } from "node:fs";
import { chmod, mkdir, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { formatBytes } from "@std/fmt";
import { zipEntries } from "../../science/formats/archives.ts";
import { download } from "../../std/download.ts";
import { SetupFailure } from "./setup_failure.ts";

/** Libraries of Python packages, taken out of their wheels without Python. */

/** The platform of this process, as tables of wheels name it. */
export const PLATFORM = `${process.platform}-${process.arch}`;

/** One wheel, pinned by content: the index may serve it from any address. */
interface Wheel {
  readonly name: string;
  readonly version: string;
  readonly downloadBytes: number;
  readonly sha256: string;
}

export interface WheelSet {
  /** The first is the engine; the others are libraries that it needs. */
  readonly wheels: readonly Wheel[];
  /** Paths of the files to unpack; a wheel is mostly Python. */
  readonly files: RegExp;
  /** Size of the unpacked files. */
  readonly unpackedBytes: number;
}

/**
 * @param tables by platform, from `pinned.json`
 * @throws SetupFailure for a platform without wheels
 */
export function wheelsFor(platform: string, engine: string, tables: Readonly<Record<string, Wheel[]>>): Wheel[] {
  const found = tables[platform];
  if (found !== undefined) return found;
  const problem = `Cannot set up ${engine} for ${platform}: its wheels are for ${Object.keys(tables).join(", ")}`;
  throw new SetupFailure(problem, 'use device "onnx", which needs no setup');
}

export function downloadBytes({ wheels }: WheelSet): number {
  return wheels.reduce((sum, wheel) => sum + wheel.downloadBytes, 0);
}

interface FetchWheelsOptions {
  /** Gets the unpacked files, as pip would lay them out. */
  readonly site: string;
  /** Keeps what an interrupted download has got, for the next set-up to continue. */
  readonly downloads: string;
  readonly say: (line: string) => void;
  /** Address of the package index (PEP 503); default: the one that pip is told in its variable, else PyPI. */
  readonly index?: string;
}

/** Interval of reports on a download. */
const REPORT_EVERY_MS = 5_000;
const MEGABYTE = 1e6;

/**
 * Downloads wheels and unpacks the needed files. A wheel that was cut off is continued, and one with other bytes is
 * never unpacked.
 * @throws SetupFailure
 */
export async function fetchWheels(set: WheelSet, options: FetchWheelsOptions): Promise<void> {
  const { site, downloads, say, index = Deno.env.get("PIP_INDEX_URL") || "https://pypi.org/simple" } = options;
  const { wheels } = set;
  const total = formatBytes(downloadBytes(set));
  const more = wheels.length === 1 ? "" : ` and ${wheels.length - 1} more`;
  mkdirSync(downloads, { recursive: true });
  say(`downloading ${wheels[0]!.name} ${wheels[0]!.version}${more} from ${new URL(index).host} (${total})`);
  let [before, told] = [0, Date.now()];
  for (const wheel of wheels) {
    const { name, version, sha256 } = wheel;
    const report = ({ done }: { readonly done: number }) => {
      if (Date.now() < told + REPORT_EVERY_MS) return;
      told = Date.now();
      say(`  ${formatBytes(before + done * MEGABYTE)} of ${total}`);
    };
    const file = { name, sha256, maxBytes: wheel.downloadBytes, urls: [await addressOf(wheel, index)] };
    const got = await download(file, downloads, { stop: new AbortController().signal, report, warn: say });
    if (typeof got !== "string") {
      const reason = "message" in got ? got.message : got.status;
      throw new SetupFailure(`Cannot download ${name} ${version}: ${reason}`, AGAIN);
    }
    before += wheel.downloadBytes;
    say(`  unpacking ${name}`);
    await unpack(got, set.files, site);
    rmSync(got);
  }
  rmSync(downloads, { recursive: true });
}

const AGAIN = "check the network and PIP_INDEX_URL, then run this again, which continues the download";

/** Looks up a wheel by its digest in the index, since only the index knows the address. */
async function addressOf({ name, version, sha256 }: Wheel, index: string): Promise<string> {
  const page = new URL(`${index.replace(/\/+$/, "")}/${name}/`);
  // Some indexes have a password in their address, which no message shows.
  const purpose = `Cannot find ${name} ${version} at ${page.host}`;
  const response = await fetch(page, { headers: { accept: "text/html" } }).catch(() => undefined);
  if (response?.ok !== true) {
    await response?.body?.cancel();
    throw new SetupFailure(`${purpose}: ${response === undefined ? "no answer" : `HTTP ${response.status}`}`, AGAIN);
  }
  const href = new RegExp(`href="([^"#]+)#sha256=${sha256}"`).exec(await response.text())?.[1];
  if (href !== undefined) return new URL(href.replaceAll("&amp;", "&"), response.url).href;
  throw new SetupFailure(
    `${purpose}: it lists no file with SHA-256 ${sha256}`,
    "set PIP_INDEX_URL to an index that has it",
  );
}

async function unpack(wheel: string, files: RegExp, site: string): Promise<void> {
  for await (const { name, isFile, stream } of zipEntries(wheel)) {
    if (!isFile || !files.test(name)) continue;
    const path = join(site, name);
    await mkdir(dirname(path), { recursive: true });
    await using file = await open(path, "w");
    for await (const piece of stream()) await file.writeFile(piece);
    // Programs, which CUDA's wheels bring, are in folders of this name.
    if (name.includes("/bin/")) await chmod(path, 0o755);
  }
}
