import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { runProgram, SetupFailure } from "../../../tensor/tensorflow/setup/programs.ts";
import { layOutTfjsNode, standInFiles } from "../../../tensor/tensorflow/setup/tfjs_node_package.ts";
import { wheelSet } from "../../../tensor/tensorflow/setup/fetch_wheels.ts";
import { TFJS_NODE_VERSION } from "../../../tensor/tensorflow/installation.ts";
import { hasProgram, onlyIf } from "../../support/proc.ts";
import { pretendSetUp, runCli, runModule } from "../../unit/tensor/tensorflow_child.ts";

const LINUX = Deno.build.target === "x86_64-unknown-linux-gnu";
const SET_UP = ["setup", "tensorflow"];
const ANY = { purpose: "test", fix: "none" };

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Writes a program that is one line of shell. */
async function writeProgram(folder: string, name: string, line: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(join(folder, name), `#!/bin/sh\n${line}\n`, { mode: 0o755 });
}

Deno.test("setup does nothing where TensorFlow is set up", async () => {
  const cache = pretendSetUp(false);
  const { code, out } = await runCli(SET_UP, { XDG_CACHE_HOME: cache });
  assertEquals(code, 0);
  assert(out.startsWith(`already set up: TensorFlow 2.21.0 in ${cache}`), out);
  await Deno.remove(cache, { recursive: true });
});

Deno.test({
  ...onlyIf(
    LINUX,
    "the wheels are for linux on x86_64",
    "setup says which program is missing and which package has it, before it downloads",
  ),
  fn: () =>
    inFolder(async (folder) => {
      const env = { XDG_CACHE_HOME: join(folder, "cache"), PATH: join(folder, "bin") };
      const attempt = async () => {
        const { code, out, err } = await runCli(SET_UP, env);
        assertEquals([code, out], [1, ""]);
        return err;
      };
      assertEquals(
        await attempt(),
        "error: Cannot fetch TensorFlow's wheel: python3 is not on the PATH\n" +
          "  fix:    apt-get install python3 python3-pip\n\n",
      );
      await writeProgram(env.PATH, "python3", 'echo "No module named pip" >&2; exit 1');
      const withoutPip = await attempt();
      assertStringIncludes(withoutPip, "| No module named pip");
      assertStringIncludes(withoutPip, "fix:    apt-get install python3-pip");
      await writeProgram(env.PATH, "python3", "exit 0");
      assertStringIncludes(await attempt(), "g++ is not on the PATH\n  fix:    apt-get install g++");
      // No partial installation is left.
      assertEquals([...Deno.readDirSync(join(env.XDG_CACHE_HOME, "noiseline", "tensorflow"))], []);
    }),
});

Deno.test("setup refuses what it does not know with exit code 2, and shows examples when asked", async () => {
  const { code, err } = await runCli([...SET_UP, "--elsewhere"], {});
  assertEquals(code, 2);
  assertStringIncludes(err, "unknown option '--elsewhere'");
  const help = await runCli([...SET_UP, "--help"], {});
  assertEquals(help.code, 0);
  assertStringIncludes(help.out, "deno task setup:tensorflow --gpu");
});

Deno.test({
  ...onlyIf(
    LINUX,
    "the wheels are for linux on x86_64",
    "setup sweeps what a killed setup left, and leaves a running one's alone",
  ),
  fn: () =>
    inFolder(async (folder) => {
      const cache = join(folder, "noiseline", "tensorflow");
      const gone = await new Deno.Command(Deno.execPath(), { args: ["--version"], stdout: "null" }).spawn();
      await gone.status;
      for (const pid of [gone.pid, Deno.pid]) await Deno.mkdir(join(cache, `.staging-${pid}-x`), { recursive: true });
      await runCli(SET_UP, { XDG_CACHE_HOME: folder, PATH: join(folder, "none") });
      assertEquals([...Deno.readDirSync(cache)].map(({ name }) => name), [`.staging-${Deno.pid}-x`]);
    }),
});

Deno.test("tfjs-node is laid out by its digest, is not among the toolkit's packages, and none of its scripts runs", () =>
  inFolder(async (folder) => {
    const lock = Deno.readTextFileSync(new URL("../../../deno.lock", import.meta.url));
    assert(!/tfjs-node|node-pre-gyp|tfjs-layers/.test(lock));
    const headers = await layOutTfjsNode(folder);
    assert((await Deno.stat(join(headers, "node_api.h"))).isFile);
    const at = join(folder, "package");
    assertEquals(JSON.parse(await Deno.readTextFile(join(at, "package.json"))).version, TFJS_NODE_VERSION);
    for (
      const file of [
        "binding/tfjs_backend.cc",
        "dist/nodejs_kernel_backend.js",
        "node_modules/google-protobuf/google-protobuf.js",
      ]
    ) {
      assert((await Deno.stat(join(at, file))).isFile);
    }
    // The folders that the package's install script would add.
    assertEquals([...Deno.readDirSync(at)].filter(({ name }) => name === "deps" || name === "lib"), []);
  }));

Deno.test({
  ...onlyIf(
    hasProgram("python3"),
    "there is no python3",
    "fetchWheels() has pip check digests, and unpacks the libraries alone",
  ),
  fn: () =>
    inFolder(async (folder) => {
      const python = (await runProgram("python3", ["-c", "import sys; print(sys.executable)"], ANY)).trim();
      const wheel = join(folder, "made.whl");
      await runProgram("python3", ["-c", MAKE_WHEEL, wheel], ANY);
      // A pip that provides the same wheel whatever is requested.
      const bin = join(folder, "bin");
      const copy = `for a; do case "$a" in --dest=*) cp ${wheel} "\${a#--dest=}/";; esac; done`;
      await writeProgram(bin, "python3", `if [ "$2" = pip ]; then ${copy}; else exec ${python} "$@"; fi`);
      const [site, work] = [join(folder, "site"), join(folder, "work")];
      const program = `
      import { fetchWheels } from "tensor/tensorflow/setup/fetch_wheels.ts";
import { wheelSet } from "tensor/tensorflow/setup/fetch_wheels.ts";
      await fetchWheels(wheelSet(true), { site: "${site}", work: "${work}", say: console.log });`;
      const { code, out, err } = await runModule(program, { env: { PATH: `${bin}:${Deno.env.get("PATH")}` } });
      assertEquals(code, 0, err);
      assertEquals(out, "downloading tensorflow 2.21.0 and 12 more from PyPI (3.34 GB)\nunpacking its libraries");
      const requirements = (await Deno.readTextFile(join(work, "requirements.txt"))).trim().split("\n");
      assertEquals(requirements.length, wheelSet(true).wheels.length);
      for (const line of requirements) assert(/^[\w-]+==[\d.]+ --hash=sha256:[0-9a-f]{64}$/.test(line), line);
      assertEquals(filesUnder(site), [
        "nvidia/cuda_nvcc/bin/ptxas",
        "nvidia/cudnn/lib/libcudnn.so.9",
        "tensorflow-2.dist-info/LICENSE",
        "tensorflow/include/tensorflow/c/c_api.h",
        "tensorflow/libtensorflow_cc.so.2",
      ]);
      assert(((await Deno.stat(join(site, "nvidia/cuda_nvcc/bin/ptxas"))).mode! & 0o111) !== 0);
      assertEquals([...Deno.readDirSync(join(work, "wheels"))], []);
    }),
});

const MAKE_WHEEL = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as archive:
    for name, mode in [
        ("tensorflow/libtensorflow_cc.so.2", 0o644),
        ("tensorflow/include/tensorflow/c/c_api.h", 0o644),
        ("tensorflow/include/Eigen/Core", 0o644),
        ("tensorflow/python/big.so", 0o755),
        ("nvidia/cudnn/lib/libcudnn.so.9", 0o644),
        ("nvidia/cudnn/include/cudnn.h", 0o644),
        ("nvidia/cuda_nvcc/bin/ptxas", 0o755),
        ("tensorflow-2.dist-info/LICENSE", 0o644),
    ]:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, name)
`;

function filesUnder(folder: string, prefix = ""): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesUnder(join(folder, name), `${prefix}${name}/`) : [`${prefix}${name}`]
  ).sort();
}

Deno.test("runProgram() shows the end of what a failed program said", async () => {
  const script = "Array.from({ length: 20 }, (_, i) => console.log('line', i)); Deno.exit(3)";
  const error = await assertRejects(() => runProgram(Deno.execPath(), ["eval", script], ANY), SetupFailure);
  const lines = error.message.split("\n");
  assertStringIncludes(lines[0]!, "Cannot test: ");
  assertStringIncludes(lines[0]!, "ended with exit code 3");
  assertEquals([lines.length, lines[1], lines.at(-1)], [16, "  | line 5", "  | line 19"]);
});

Deno.test("standInFiles() stand for both of tfjs-node's ways to TF.js", () => {
  const files = standInFiles("1.2.3");
  assertEquals(Object.keys(files).sort(), [
    "node_modules/@tensorflow/tfjs-core/index.js",
    "node_modules/@tensorflow/tfjs-core/package.json",
    "node_modules/@tensorflow/tfjs/index.js",
    "node_modules/@tensorflow/tfjs/package.json",
  ]);
  assertEquals(JSON.parse(files["node_modules/@tensorflow/tfjs/package.json"]!).version, "1.2.3");
});
