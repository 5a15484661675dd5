import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { SetupFailure } from "../../../cli/setup/failure.ts";
import { fetchOfficial } from "../../../cli/setup/fetch_official.ts";
import { runProgram } from "../../../cli/setup/programs.ts";
import { wheelSet } from "../../../cli/setup/wheels.ts";
import { standInFiles } from "../../../tensor/tensorflow/stand_in.ts";
import { hasProgram, skipUnless } from "../../support/proc.ts";
import { pretendSetUp, runCli, runModule } from "./tensorflow_child.ts";

const LINUX = Deno.build.target === "x86_64-unknown-linux-gnu";
const SET_UP = ["setup", "tensorflow"];
const ANY = { purpose: "test", fix: "none" };
const FROM_WHEEL = [...SET_UP, "--source", "wheel"];

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A program that is a line of shell. */
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

Deno.test("setup says which program is missing and which package has it, before it downloads", () =>
  inFolder(async (folder) => {
    if (skipUnless(LINUX, "the wheels are for linux on x86_64")) return;
    const env = { XDG_CACHE_HOME: join(folder, "cache"), PATH: join(folder, "bin") };
    const attempt = async () => {
      const { code, out, err } = await runCli(FROM_WHEEL, env);
      assertEquals([code, out], [1, ""]);
      return err;
    };
    assertEquals(
      await attempt(),
      "error: Cannot fetch TensorFlow's wheel: python3 is not on the PATH\n" +
        "  fix:    apt-get install python3 python3-pip\n",
    );
    await writeProgram(env.PATH, "python3", 'echo "No module named pip" >&2; exit 1');
    const withoutPip = await attempt();
    assertStringIncludes(withoutPip, "| No module named pip");
    assertStringIncludes(withoutPip, "fix:    apt-get install python3-pip");
    await writeProgram(env.PATH, "python3", "exit 0");
    assertStringIncludes(await attempt(), "g++ is not on the PATH\n  fix:    apt-get install g++");
    // Nothing half made is left.
    assertEquals([...Deno.readDirSync(join(env.XDG_CACHE_HOME, "noiseline", "tensorflow"))], []);
  }));

Deno.test("setup refuses what it does not know with exit code 2, and shows examples when asked", async () => {
  const { code, err } = await runCli([...SET_UP, "--source", "elsewhere"], {});
  assertEquals(code, 2);
  assertStringIncludes(err, "Allowed choices are auto, official, wheel");
  const help = await runCli([...SET_UP, "--help"], {});
  assertEquals(help.code, 0);
  assertStringIncludes(help.out, "deno task setup:tensorflow --gpu");
});

Deno.test("setup sweeps what a killed setup left, and leaves a running one's alone", () =>
  inFolder(async (folder) => {
    if (skipUnless(LINUX, "the wheels are for linux on x86_64")) return;
    const cache = join(folder, "noiseline", "tensorflow");
    const gone = await new Deno.Command(Deno.execPath(), { args: ["--version"], stdout: "null" }).spawn();
    await gone.status;
    for (const pid of [gone.pid, Deno.pid]) await Deno.mkdir(join(cache, `.staging-${pid}-x`), { recursive: true });
    await runCli(FROM_WHEEL, { XDG_CACHE_HOME: folder, PATH: join(folder, "none") });
    assertEquals([...Deno.readDirSync(cache)].map(({ name }) => name), [`.staging-${Deno.pid}-x`]);
  }));

Deno.test("fetchWheels() has pip check digests, and unpacks the libraries alone", () =>
  inFolder(async (folder) => {
    if (skipUnless(hasProgram("python3"), "there is no python3")) return;
    const python = (await runProgram("python3", ["-c", "import sys; print(sys.executable)"], ANY)).trim();
    const wheel = join(folder, "made.whl");
    await runProgram("python3", ["-c", MAKE_WHEEL, wheel], ANY);
    // A pip that is given one wheel for whatever is asked of it.
    const bin = join(folder, "bin");
    const copy = `for a; do case "$a" in --dest=*) cp ${wheel} "\${a#--dest=}/";; esac; done`;
    await writeProgram(bin, "python3", `if [ "$2" = pip ]; then ${copy}; else exec ${python} "$@"; fi`);
    const [site, work] = [join(folder, "site"), join(folder, "work")];
    const program = `
      import { fetchWheels } from "cli/setup/fetch_wheels.ts";
      import { wheelSet } from "cli/setup/wheels.ts";
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
  }));

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

Deno.test("fetchOfficial() lays the package's own downloads out as its install script does", () =>
  inFolder(async (folder) => {
    if (skipUnless(LINUX && hasProgram("tar"), "linux on x86_64 with tar")) return;
    const archive = async (name: string, file: string) => {
      const root = join(folder, name);
      await Deno.mkdir(join(root, file, ".."), { recursive: true });
      await Deno.writeTextFile(join(root, file), file);
      const top = file.split("/")[0]!;
      await runProgram("tar", ["-czf", `${root}.tar.gz`, "-C", root, top], ANY);
      return await Deno.readFile(`${root}.tar.gz`);
    };
    const files: Record<string, Uint8Array<ArrayBuffer>> = {
      "/builds/addon/napi-v8/4.22.0/CPU-linux-4.22.0.tar.gz": await archive("addon", "napi-v8/tfjs_binding.node"),
      "/tensorflow/libtensorflow/libtensorflow-cpu-linux-x86_64-2.9.1.tar.gz": await archive("lib", "lib/libtf.so"),
    };
    await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
      const bytes = files[new URL(request.url).pathname];
      return bytes === undefined ? new Response("none", { status: 404 }) : new Response(bytes);
    });
    const install = async (host: string, binary: string) => {
      const [target, work] = [join(folder, "installed"), join(folder, "work")];
      for (const path of [join(target, "package"), work]) await Deno.mkdir(path, { recursive: true });
      const manifest = { binary: { host: `https://example.invalid${binary}` } };
      await Deno.writeTextFile(join(target, "package", "package.json"), JSON.stringify(manifest));
      await fetchOfficial(target, { gpu: false, work, say: () => {}, host });
      return target;
    };
    const { port } = server.addr;
    const target = await install(`http://127.0.0.1:${port}`, "/builds/addon");
    assertEquals(filesUnder(target), [
      "package/deps/lib/libtf.so",
      "package/lib/napi-v8/tfjs_binding.node",
      "package/package.json",
    ]);
    const missing = await assertRejects(() => install(`http://127.0.0.1:${port}`, "/else"), SetupFailure);
    assertStringIncludes(missing.message, "the server answers 404");
    const unreachable = await assertRejects(() => install("http://127.0.0.1:1", "/builds/addon"), SetupFailure);
    assertStringIncludes(unreachable.message, "Cannot download http://127.0.0.1:1/builds/addon/napi-v8/");
    assertEquals(unreachable.fix, "use --source wheel, or check the network");
  }));

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
