import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { layOutTfjsNode, standInFiles } from "../../../cli/setup/tfjs_node_package.ts";
import { TFJS_NODE_VERSION } from "../../../science/tensor/tensorflow/installation.ts";
import { onlyIf } from "../../support/proc.ts";
import { pretendSetUp, runCli } from "../../unit/science/tensor/tensorflow_child.ts";

const LINUX = Deno.build.target === "x86_64-unknown-linux-gnu";
const SET_UP = ["setup", "tensorflow"];

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
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
      const { code, out, err } = await runCli(SET_UP, env);
      assertEquals([code, out], [1, ""]);
      assertEquals(
        err,
        "error: Cannot build tfjs-node's addon: g++ is not on the PATH\n  fix:    apt-get install g++\n\n",
      );
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

Deno.test("a compiler that fails is named with the end of what it said", () =>
  inFolder(async (folder) => {
    const compiler = join(folder, "failing.sh");
    await Deno.writeTextFile(compiler, "for i in $(seq 0 19); do echo line $i; done; exit 3\n");
    const module = import.meta.resolve("../../../cli/setup/build_addon.ts");
    const script = `import { buildAddon } from "${module}";
      await buildAddon(...Deno.args).catch(({ name, message }) => console.log(name + ": " + message));`;
    await Deno.mkdir(join(folder, "package/binding"), { recursive: true });
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--config", "deno.json", script, folder, folder, folder],
      env: { CXX: `sh ${compiler}` },
    }).output();
    const lines = new TextDecoder().decode(stdout).trim().split("\n");
    assertEquals(lines[0], "SetupFailure: Cannot build tfjs-node's addon: sh ended with exit code 3");
    assertEquals([lines.length, lines[1], lines.at(-1)], [16, "  | line 5", "  | line 19"]);
  }));

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
