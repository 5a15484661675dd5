import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatBytes } from "@std/fmt";
import { requireProgram, runProgram, SetupFailure } from "./programs.ts";

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

interface FetchWheelsOptions {
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

/**
 * Python wheels that hold the libraries of TensorFlow and CUDA for Linux on x86-64, pinned by content. The libraries do
 * not depend on Python's version, so the wheels of one version are used whatever `python3` is.
 */

/** Python version of the wheels. */
const WHEEL_PYTHON = "3.12";

/** manylinux tags of the pinned wheels; pip accepts a tag only when it is named. */
const WHEEL_PLATFORMS = ["2_27", "2_25", "2_17", "2_12"].map((glibc) => `manylinux_${glibc}_x86_64`);

/** Files to unpack; a wheel of TensorFlow is mostly Python. */
const WHEEL_FILES = [
  String.raw`tensorflow/libtensorflow_(cc|framework)\.so\.2$`,
  String.raw`tensorflow/include/(tensorflow|tsl|xla)/.*\.h$`,
  String.raw`nvidia/\w+/(lib|bin|nvvm)/`,
  String.raw`[^/]+\.dist-info/`, // licences
].join("|");

/** Parses a line for each wheel: name, version, bytes to download, SHA-256. */
function wheelsOf(table: string) {
  return table.trim().split("\n").map((line) => {
    const [name, version, bytes, sha256] = line.split(" ") as [string, string, string, string];
    return { name, version, downloadBytes: Number(bytes), sha256 };
  });
}

const CPU_WHEELS = wheelsOf(`
tensorflow-cpu 2.21.0 274000871 dcc8afd32930e42d5296b6ee19078b773706830af4ea97fbe503b9f5e0f820cb
`);

/**
 * TensorFlow for CUDA 12 and the libraries of its extra `and-cuda`, from CUDA 12.9: the last of the series, which runs
 * with drivers from 525 on and supports all cards up to Blackwell.
 */
const GPU_WHEELS = wheelsOf(`
tensorflow 2.21.0 572611111 b3b95643c4e70eb925839938fb35cbe142f317ec84af6844ee61513713bb13c0
nvidia-cublas-cu12 12.9.1.4 581242350 453611eb21a7c1f2c2156ed9f3a45b691deda0440ec550860290dc901af5b4c2
nvidia-cuda-cupti-cu12 12.9.79 10814997 096bcf334f13e1984ba36685ad4c1d6347db214de03dbb6eebb237b41d9d934f
nvidia-cuda-nvcc-cu12 12.9.86 40546229 5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0
nvidia-cuda-nvrtc-cu12 12.9.86 89568129 210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4
nvidia-cuda-runtime-cu12 12.9.79 3493179 25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3
nvidia-cudnn-cu12 9.10.2.21 706758467 949452be657fa16687d0930933f032835951ef0892b37d2d53824d1a84dc97a8
nvidia-cufft-cu12 11.4.1.4 200877592 c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28
nvidia-curand-cu12 10.3.10.19 68295626 49b274db4780d421bd2ccd362e1415c13887c53c214f0d4b761752b8f9f6aa1e
nvidia-cusolver-cu12 11.7.5.82 338117415 15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88
nvidia-cusparse-cu12 12.5.10.65 366465088 73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78
nvidia-nccl-cu12 2.27.7 322546339 de5ba5562f08029a19cb1cd659404b18411ed0d6c90ac5f52f30bf99ad5809aa
nvidia-nvjitlink-cu12 12.9.86 39748338 e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9
`);

const UNPACKED_BYTES = { cpu: 950_000_000, gpu: 5_900_000_000 };

type WheelSet = ReturnType<typeof wheelSet>;

/**
 * @returns `downloadBytes` of all wheels, and `diskBytes`, the disk space that the wheels and their unpacked files take
 * at the same time
 */
export function wheelSet(gpu: boolean) {
  const wheels = gpu ? GPU_WHEELS : CPU_WHEELS;
  const downloadBytes = wheels.reduce((sum, wheel) => sum + wheel.downloadBytes, 0);
  return { wheels, downloadBytes, diskBytes: downloadBytes + (gpu ? UNPACKED_BYTES.gpu : UNPACKED_BYTES.cpu) };
}
