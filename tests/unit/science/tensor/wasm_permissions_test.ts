import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { wasmGrants } from "../../../../science/tensor/wasm/describe.ts";

const ROOT = new URL("../../../../", import.meta.url);

async function runChild(permissions: readonly string[], program: string): Promise<{ out: string; err: string }> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, program);
    const config = new URL("deno.json", ROOT).pathname;
    const args = ["run", "--no-check", "--no-prompt", "--cached-only", ...permissions, "--config", config, file];
    const command = new Deno.Command(Deno.execPath(), {
      args,
      env: { NO_COLOR: "1" },
      stdout: "piped",
      stderr: "piped",
    });
    const { stdout, stderr } = await command.output();
    return { out: new TextDecoder().decode(stdout).trim(), err: new TextDecoder().decode(stderr) };
  } finally {
    await Deno.remove(file);
  }
}

const PROGRAM = `
  import { openWasmDevice } from "${new URL("science/tensor/wasm/device.ts", ROOT)}";
  import { getThreadsCount } from "@tensorflow/tfjs-backend-wasm";
  import * as tf from "@tensorflow/tfjs-core";
  const { state } = await Deno.permissions.query({ name: "read", path: "/proc/cpuinfo" });
  const device = await openWasmDevice({ threads: 2 });
  const { numerics } = device;
  const threads = getThreadsCount();
  const product = await device.compile(({ x }) => ({ y: tf.matMul(x, x) }), { x: { shape: [2, 2], dtype: "float32" } });
  const { y } = await product.run({ x: Float32Array.of(1, 2, 3, 4) });
  await device.dispose();
  console.log(JSON.stringify({ granted: state === "granted", threads, numerics, y: [...y] }));`;

Deno.test("device wasm and its threads need no permission but to read the package's binaries", async () => {
  const { out, err } = await runChild([`--allow-read=${wasmGrants().read.join()}`], PROGRAM);
  assert(out !== "", err);
  assertEquals(JSON.parse(out), {
    granted: false,
    threads: 2,
    numerics: "wasm/4.22.0/simd",
    y: [7, 10, 15, 22],
  });
  // The engine prints nothing, and TF.js prints no advice, which would need a permission.
  assertEquals(err, "");
});

Deno.test("openWasmDevice() fails with Deno's own words when it may not read the binaries", async () => {
  const { out, err } = await runChild([], PROGRAM);
  assertEquals(out, "");
  assertStringIncludes(err, "Requires read access to");
});

Deno.test("openWasmDevice() falls back to one thread when a worker fails", async () => {
  // In a separate process: Deno prints a worker's errors, whoever listens.
  const { out, err } = await runChild(
    ["--allow-read"],
    `
    import { getThreadsCount } from "@tensorflow/tfjs-backend-wasm";
    import { openWasmDevice } from "${new URL("science/tensor/wasm/device.ts", ROOT)}";
    globalThis.Worker = class extends Worker {
      constructor() {
        super("data:text/javascript,throw new Error('broken')", { type: "module" });
      }
    };
    await openWasmDevice({ threads: 2 });
    console.log(JSON.stringify({ threads: getThreadsCount() }));
    Deno.exit();`,
  );
  assertStringIncludes(err, "broken");
  const { threads } = JSON.parse(out);
  assertEquals(threads, 1);
});
