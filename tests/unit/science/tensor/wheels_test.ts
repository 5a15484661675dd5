import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { zipSync } from "fflate";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { SetupFailure } from "../../../../cli/setup/setup_failure.ts";
import { tensorflowWheels } from "../../../../cli/setup/tensorflow.ts";
import { torchWheels } from "../../../../cli/setup/torch.ts";
import { downloadBytes, fetchWheels, type WheelSet } from "../../../../cli/setup/wheels.ts";
import { TORCH_VERSION } from "../../../../science/tensor/torch/installation.ts";

const text = (words: string) => new TextEncoder().encode(words);

const FILES = {
  "torch/lib/libtorch_cpu.so": text("a library ".repeat(5000)),
  "torch/lib/libgomp.so.1": text("threads"),
  "torch/lib/libtorch_cuda.so": text("for cards"),
  "torch/lib/libtorch_python.so": text("for Python"),
  "torch/lib/libshm/libshm.so": text("elsewhere"),
  "torch/__init__.py": text("import this"),
  "torch-2.dist-info/licenses/LICENSE": text("BSD-3"),
  "nvidia/cu13/lib/libcudart.so.13": text("cudart"),
  "nvidia/cu13/lib/libcublas.so.13": text("cublas"),
  "nvidia/cuda_nvcc/bin/ptxas": text("#!/bin/sh"),
};
const WHEEL = zipSync(FILES);

interface Served {
  /** Bytes that the server sends for the wheel. */
  readonly wheel?: Uint8Array<ArrayBuffer>;
  /** The address of the wheel in the index. */
  readonly href?: string;
}

/** Fetches a wheel from an index of this process. `prepare` gets the folder of downloads before. */
async function withIndex(
  { wheel = WHEEL, href = `../../files/torch.whl?a=1&amp;b=2#sha256=${digestOf(WHEEL)}` }: Served,
  use: (fetch: (set: WheelSet) => Promise<string[]>, folder: string, ranges: (string | null)[]) => Promise<void>,
): Promise<void> {
  const ranges: (string | null)[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    const { pathname, search } = new URL(request.url);
    if (pathname === "/simple/torch/") return new Response(`<a href="other.whl#sha256=0">x</a><a href="${href}">y</a>`);
    if (pathname + search !== "/files/torch.whl?a=1&b=2") return new Response("no", { status: 404 });
    const range = request.headers.get("range");
    ranges.push(range);
    const from = Number(/\d+/.exec(range ?? "0")![0]);
    const headers = { "content-range": `bytes ${from}-${wheel.length - 1}/${wheel.length}` };
    return from === 0 ? new Response(wheel) : new Response(wheel.slice(from), { status: 206, headers });
  });
  const folder = await Deno.makeTempDir();
  try {
    const index = `http://user:secret@127.0.0.1:${server.addr.port}/simple`;
    const said: string[] = [];
    const options = { site: join(folder, "site"), downloads: join(folder, "downloads"), index };
    await use(
      async (set) => {
        await fetchWheels(set, { ...options, say: (line) => said.push(line) });
        return said;
      },
      folder,
      ranges,
    );
  } finally {
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
}

const digestOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

const made = (name = "torch"): WheelSet => ({
  ...torchWheels(false, "linux-x64"),
  wheels: [{ name, version: "2.15.0", downloadBytes: WHEEL.length, sha256: digestOf(WHEEL) }],
});

function filesUnder(folder: string, prefix = ""): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesUnder(join(folder, name), `${prefix}${name}/`) : [`${prefix}${name}`]
  ).sort();
}

Deno.test("fetchWheels() unpacks the needed files of a wheel alone, and leaves no download", () =>
  withIndex({}, async (fetch, folder, ranges) => {
    const said = await fetch(made());
    assertEquals(said.slice(1), ["  unpacking torch"]);
    assert(/^downloading torch 2\.15\.0 from 127\.0\.0\.1:\d+ \(/.test(said[0]!), said[0]);
    assertEquals(filesUnder(join(folder, "site")), [
      "nvidia/cu13/lib/libcudart.so.13",
      "torch-2.dist-info/licenses/LICENSE",
      "torch/lib/libgomp.so.1",
      "torch/lib/libtorch_cpu.so",
    ]);
    const library = await Deno.readFile(join(folder, "site/torch/lib/libtorch_cpu.so"));
    assertEquals(library, FILES["torch/lib/libtorch_cpu.so"]);
    assert(!existsSync(join(folder, "downloads")));
    assertEquals(ranges, [null]);
  }));

Deno.test("fetchWheels() makes CUDA's programs executable", () =>
  withIndex({}, async (fetch, folder) => {
    await fetch({ ...made(), files: tensorflowWheels(true).files });
    assertEquals((await Deno.stat(join(folder, "site/nvidia/cuda_nvcc/bin/ptxas"))).mode! & 0o111, 0o111);
  }));

Deno.test("fetchWheels() continues a wheel wherever it was cut off", async () => {
  for (const length of [1, 100, WHEEL.length - 1]) {
    await withIndex({}, async (fetch, folder, ranges) => {
      await Deno.mkdir(join(folder, "downloads"));
      await Deno.writeFile(join(folder, "downloads", `${digestOf(WHEEL)}.part`), WHEEL.slice(0, length));
      await fetch(made());
      assertEquals(ranges, [`bytes=${length}-`]);
      assertEquals(filesUnder(join(folder, "site")).length, 4);
    });
  }
});

Deno.test("fetchWheels() unpacks nothing of a wheel with other bytes, and says so", async () => {
  const changed = [WHEEL.with(40, WHEEL[40]! ^ 1), WHEEL.slice(0, -1), Uint8Array.of()];
  for (const wheel of changed) {
    await withIndex({ wheel }, async (fetch, folder) => {
      const error = await assertRejects(() => fetch(made()), SetupFailure, "Cannot download torch 2.15.0: ");
      assertStringIncludes(error.message, `wanted ${digestOf(WHEEL)}`);
      assertStringIncludes(error.fix, "run this again");
      assert(!existsSync(join(folder, "site")));
    });
  }
});

Deno.test("fetchWheels() names the index that has not got a wheel, without its password", async () => {
  await withIndex({ href: "torch.whl#sha256=00" }, async (fetch) => {
    const error = await assertRejects(() => fetch(made()), SetupFailure, "it lists no file with SHA-256");
    assert(!error.message.includes("secret"));
    assertStringIncludes(error.fix, "PIP_INDEX_URL");
  });
  await withIndex({}, async (fetch) => {
    const error = await assertRejects(() => fetch(made("elsewhere")), SetupFailure, "HTTP 404");
    assert(!error.message.includes("secret"));
  });
});

Deno.test("every wheel is pinned by its digest and size, and torch's are of the version that the device is for", () => {
  const platforms = ["linux-x64", "linux-arm64", "darwin-arm64"];
  const all = platforms.map((platform) => torchWheels(false, platform));
  // With CUDA's libraries there are the wheels of torch without them as well.
  const cuda = torchWheels(true, "linux-x64");
  assertEquals(cuda.wheels.slice(0, 3), all[0]!.wheels);
  const sets = [...all, { wheels: cuda.wheels.slice(3) }, ...[false, true].map(tensorflowWheels)];
  for (const { wheels } of sets) {
    for (const { name, version, downloadBytes, sha256 } of wheels) {
      assert(/^[a-z0-9-]+$/.test(name) && /^[\d.]+$/.test(version) && downloadBytes > 1e6, name);
      assert(/^[0-9a-f]{64}$/.test(sha256), name);
    }
  }
  const digests = sets.flatMap(({ wheels }) => wheels.map(({ sha256 }) => sha256));
  assertEquals(new Set(digests).size, digests.length);
  for (const platform of platforms) assertEquals(torchWheels(false, platform).wheels[0]!.version, TORCH_VERSION);
  assertEquals([all[0]!, cuda].map((set) => Math.round(downloadBytes(set) / 1e6)), [553, 2463]);
});

Deno.test("files for cards are PyTorch's libraries and CUDA's, and neither Python's nor those to link with", () => {
  const { files } = torchWheels(true, "linux-x64");
  const wanted = ["torch/lib/libtorch_cuda.so", "torch/lib/libc10_cuda.so", "torch/lib/libtorch_nvshmem.so"];
  wanted.push("nvidia/cu13/lib/libcublasLt.so.13", "nvidia/cudnn/lib/libcudnn.so.9", "nvidia/cu13/lib/libcupti.so.13");
  const unwanted = ["torch/lib/libtorch_python.so", "torch/lib/libtorch_cuda_linalg.so", "torch/__init__.py"];
  unwanted.push("nvidia/cu13/lib/libcudart_static.a", "nvidia/nvshmem/lib/libnvshmem_device_sm_90.bc");
  assertEquals([...wanted, ...unwanted].filter((path) => files.test(path)), wanted);
});

Deno.test("a platform without wheels is refused by name", async () => {
  const error = await assertRejects(async () => void torchWheels(false, "win32-x64"), SetupFailure, "for win32-x64");
  assertStringIncludes(error.fix, "onnx");
});
