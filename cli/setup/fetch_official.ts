import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { formatBytes } from "@std/fmt";
import { tensorflowInstallation } from "noiseline";
import { SetupFailure } from "./failure.ts";
import { runProgram } from "./programs.ts";

/** An answer must begin within this time; the download itself may take as long as it takes. */
const ANSWER_TIMEOUT_MS = 5_000;
/** The largest so far has less than a quarter of this. */
const MAX_ARCHIVE_BYTES = 2 ** 31;

/** Platforms as the names of the downloads have them (tfjs-node's `scripts/deps-constants.js`). */
const PLATFORMS: Readonly<Record<string, { readonly system: string; readonly arch: string }>> = {
  "linux-x86_64": { system: "linux", arch: "x86_64" },
  "darwin-x86_64": { system: "darwin", arch: "x86_64" },
};

export interface OfficialOptions {
  readonly gpu: boolean;
  readonly work: string;
  readonly say: (line: string) => void;
  /** Replaces the host that the package names; as the package's own variable does. */
  readonly host?: string | undefined;
}

/**
 * What the package's install script does: download TensorFlow 2.9.1 and the addon that was built against it, and unpack
 * both into the package. Done here because the script needs Node.js and its whole tree of dependencies.
 *
 * @throws SetupFailure at once when the host does not answer.
 */
export async function fetchOfficial(folder: string, { gpu, work, say, host }: OfficialOptions): Promise<void> {
  const { OFFICIAL_TENSORFLOW, TFJS_NODE_VERSION, addonFile, packageFolderOf } = tensorflowInstallation;
  const platform = PLATFORMS[`${Deno.build.os}-${Deno.build.arch}`];
  if (platform === undefined) {
    throw new SetupFailure(
      `Cannot use the package's own download: it has no build for ${Deno.build.os} on ${Deno.build.arch}`,
      'use device "onnx", which needs no setup',
    );
  }
  const { system, arch } = platform;
  const root = packageFolderOf(folder);
  const { binary } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { binary: { host: string } };
  if (host !== undefined && !URL.canParse(host)) {
    throw new SetupFailure(
      `Cannot use TFJS_NODE_CDN_STORAGE: got "${host}", wanted a URL`,
      "correct the variable, or unset it",
    );
  }
  const addons = host === undefined ? binary.host : new URL(new URL(binary.host).pathname, host).href;
  const libraries = new URL("/tensorflow/libtensorflow/", addons);
  const kind = gpu ? "gpu" : "cpu";
  const downloads = [{
    url: `${addons}/napi-v8/${TFJS_NODE_VERSION}/${kind.toUpperCase()}-${system}-${TFJS_NODE_VERSION}.tar.gz`,
    target: dirname(addonFile(folder)),
    // The archive holds one folder with the addon in it.
    flags: ["--strip-components=1"],
  }, {
    url: new URL(`libtensorflow-${kind}-${system}-${arch}-${OFFICIAL_TENSORFLOW}.tar.gz`, libraries).href,
    target: join(root, "deps"),
    flags: [],
  }];
  for (const { url, target, flags } of downloads) {
    const archive = join(work, "official.tar.gz");
    await download(url, archive, say);
    mkdirSync(target, { recursive: true });
    await runProgram("tar", ["-xzf", archive, "-C", target, ...flags], {
      purpose: `unpack ${url}`,
      fix: "run this again",
    });
    rmSync(archive);
  }
}

async function download(url: string, file: string, say: (line: string) => void): Promise<void> {
  const slow = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => slow.abort(new Error(`no answer in ${ANSWER_TIMEOUT_MS / 1000} s`)), ANSWER_TIMEOUT_MS);
  };
  wait();
  try {
    const response = await fetch(url, { signal: slow.signal });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw new Error(`the server answers ${response.status} ${response.statusText}`);
    }
    const length = response.headers.get("content-length");
    say(`downloading ${url}${length === null ? "" : ` (${formatBytes(Number(length))})`}`);
    let left = MAX_ARCHIVE_BYTES;
    // What comes piece by piece is waited for piece by piece.
    const watched = new TransformStream<Uint8Array, Uint8Array>({
      transform: (piece, out) => {
        wait();
        left -= piece.length;
        if (left < 0) throw new Error(`more than ${formatBytes(MAX_ARCHIVE_BYTES)} came`);
        out.enqueue(piece);
      },
    });
    await Deno.writeFile(file, response.body.pipeThrough(watched), { signal: slow.signal });
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    // Deno names the address again in the middle of its message.
    const reason = (cause instanceof Error ? cause.message : String(cause)).replace(` for url (${url})`, "");
    throw new SetupFailure(`Cannot download ${url}: ${reason}`, "use --source wheel, or check the network");
  } finally {
    clearTimeout(timer);
  }
}
