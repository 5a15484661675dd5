import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatBytes } from "@std/fmt";
import { requireProgram, runProgram, SetupFailure } from "./programs.ts";
import { WHEEL_FILES, WHEEL_PLATFORMS, WHEEL_PYTHON, type WheelSet } from "./wheels.ts";

const REPORT_EVERY_MS = 5_000;

/** Unpacks the files of a wheel that match a pattern, and keeps their permission to execute. */
const UNPACK = `
import os, re, sys, zipfile
wheel, target, pattern = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for info in archive.infolist():
        if not info.is_dir() and re.match(pattern, info.filename):
            path = archive.extract(info, target)
            if info.external_attr >> 16 & 0o111:
                os.chmod(path, 0o755)
`;

export interface FetchWheelsOptions {
  /** Gets the unpacked files, as pip would lay them out. */
  readonly site: string;
  /** Folder for downloads; on the same disk. */
  readonly work: string;
  readonly say: (line: string) => void;
}

/** Checks what is needed before anything is downloaded. */
export async function requirePip(): Promise<void> {
  const purpose = "fetch TensorFlow's wheel";
  await requireProgram("python3", purpose, "python3 python3-pip");
  await runProgram("python3", ["-m", "pip", "--version"], { purpose, fix: "apt-get install python3-pip" });
}

/** Downloads wheels with pip, which checks their digests, and unpacks the needed files. */
export async function fetchWheels({ wheels, downloadBytes }: WheelSet, { site, work, say }: FetchWheelsOptions) {
  const [downloads, temporary] = [join(work, "wheels"), join(work, "pip")];
  for (const folder of [site, downloads, temporary]) mkdirSync(folder, { recursive: true });
  const total = formatBytes(downloadBytes);
  const requirements = join(work, "requirements.txt");
  writeFileSync(
    requirements,
    wheels.map(({ name, version, sha256 }) => `${name}==${version} --hash=sha256:${sha256}\n`).join(""),
  );
  const names = wheels.length === 1
    ? `${wheels[0]!.name} ${wheels[0]!.version}`
    : `${wheels[0]!.name} ${wheels[0]!.version} and ${wheels.length - 1} more`;
  say(`downloading ${names} from PyPI (${total})`);
  // Sizes are measured in the temporary folder, since pip moves everything to its place only at the end.
  const report = () => say(`  ${formatBytes(sizeOf(temporary))} of ${total}`);
  const timer = setInterval(report, REPORT_EVERY_MS);
  try {
    await runProgram("python3", [
      ...["-m", "pip", "download", "--quiet", "--no-cache-dir", "--no-deps", "--only-binary=:all:"],
      ...["--implementation=cp", `--python-version=${WHEEL_PYTHON}`],
      ...WHEEL_PLATFORMS.map((platform) => `--platform=${platform}`),
      ...["--require-hashes", `--requirement=${requirements}`, `--dest=${downloads}`],
    ], {
      // Temporary files go where the free space was checked.
      env: { TMPDIR: temporary },
      purpose: `download ${names}`,
      fix: "check the network and pip's settings, then run this again",
    });
  } finally {
    clearInterval(timer);
  }
  say(`unpacking its libraries`);
  for (const file of readdirSync(downloads).sort()) {
    const wheel = join(downloads, file);
    await runProgram("python3", ["-c", UNPACK, wheel, site, WHEEL_FILES], {
      purpose: `unpack ${file}`,
      fix: "run this again",
    });
    rmSync(wheel);
  }
}

function sizeOf(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.reduce((sum, { parentPath, name }) => {
    return sum + (statSync(join(parentPath, name), { throwIfNoEntry: false })?.size ?? 0);
  }, 0);
}

/** @throws SetupFailure where the pinned wheels do not run. */
export function requireWheelPlatform(): void {
  const { os, arch } = Deno.build;
  if (os === "linux" && arch === "x86_64") return;
  throw new SetupFailure(
    `Cannot build the addon for ${os} on ${arch}: the pinned wheels of TensorFlow are for linux on x86_64`,
    'use device "onnx", which needs no setup',
  );
}
