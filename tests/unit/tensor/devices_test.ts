import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { describeOnnx } from "../../../tensor/devices.ts";
import { describeDevices, DEVICE_NAMES, onnxNumerics, onnxPackageFolder, openDevice } from "../../../tensor/mod.ts";
import type { DeviceName } from "../../../tensor/mod.ts";
import { instructionClass } from "../../../tensor/numerics.ts";
import { ONNXRUNTIME_VERSION } from "../../../tensor/onnx/package.ts";

const TENSOR = new URL("../../../tensor/", import.meta.url);

async function runChild(args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = new Deno.Command(Deno.execPath(), { args, env: { NO_COLOR: "1" }, stdout: "piped", stderr: "piped" });
  const { code, stdout, stderr } = await child.output();
  return { code, out: new TextDecoder().decode(stdout).trim(), err: new TextDecoder().decode(stderr) };
}

Deno.test("onnxNumerics() names the version that is installed", async () => {
  const manifest = JSON.parse(await Deno.readTextFile(`${onnxPackageFolder()}package.json`));
  assertEquals(ONNXRUNTIME_VERSION, manifest.version);
  assertMatch(onnxNumerics(), new RegExp(`^onnx-cpu/${RegExp.escape(ONNXRUNTIME_VERSION)}/(x86|arm64)`));
});

Deno.test("instructionClass() is the widest set of kernels", () => {
  const flags = (text: string) => new Set(text.split(" "));
  assertEquals(instructionClass("x64", flags("sse2 avx avx2 fma avx512f")), "x86-avx512");
  assertEquals(instructionClass("x64", flags("sse2 avx avx2 fma")), "x86-avx2");
  assertEquals(instructionClass("x64", flags("sse2 avx avx2")), "x86-avx");
  assertEquals(instructionClass("x64", flags("sse2")), "x86-sse");
  assertEquals(instructionClass("arm64", flags("fp asimd")), "arm64");
  assertEquals(instructionClass("arm64", flags("fp asimd sme")), "arm64-sme");
  assertEquals(instructionClass("arm64", undefined), "arm64");
  assertEquals(instructionClass("x64", undefined), "x86");
});

Deno.test("openDevice() opens every name", async () => {
  for (const name of DEVICE_NAMES) {
    const device = await openDevice(name, { threads: 1 });
    assertEquals(device.name, "onnx");
    assertEquals(device.numerics, onnxNumerics());
    await device.dispose();
  }
});

Deno.test("openDevice() lists the names when it does not know one", async () => {
  const unknown = "abacus" as DeviceName;
  await assertRejects(
    () => openDevice(unknown),
    Error,
    'Cannot open device "abacus": it does not exist. Fix: use one of',
  );
});

Deno.test("describeDevices() says what this machine has", () => {
  const [onnx, ...others] = describeDevices();
  assertEquals(others, []);
  assertEquals(onnx?.available, true);
  assertEquals(onnx?.numerics, onnxNumerics());
  assertMatch(onnx!.reason, /ONNX Runtime on the CPU, \d+ threads?/);
});

Deno.test("describeOnnx() says why a platform has no device", () => {
  const description = describeOnnx("darwin-x64");
  assert(!description.available && description.numerics === undefined);
  assertStringIncludes(description.reason, "no CPU library for darwin-x64");
});

Deno.test("tensor/mod.ts loads neither TF.js nor an engine until a device is opened", async () => {
  const { code, out, err } = await runChild(["info", "--json", new URL("mod.ts", TENSOR).href]);
  assertEquals(code, 0, err);
  const graph = JSON.parse(out) as { modules: { specifier: string; dependencies?: Dependency[] }[] };
  const modules = new Map(graph.modules.map((module) => [module.specifier, module.dependencies ?? []]));
  const pending = [new URL("mod.ts", TENSOR).href];
  const loaded = new Set<string>();
  for (let specifier = pending.pop(); specifier !== undefined; specifier = pending.pop()) {
    if (loaded.has(specifier)) continue;
    loaded.add(specifier);
    for (const { code, isDynamic } of modules.get(specifier) ?? []) {
      if (!isDynamic && code?.specifier !== undefined) pending.push(code.specifier);
    }
  }
  assertEquals([...loaded].filter((specifier) => specifier.startsWith("npm:")), []);
  assert(loaded.has(new URL("random/stream.ts", TENSOR).href));
});

Deno.test("a device needs no permission but --allow-ffi for its package when numerics are given", async () => {
  const program = `
    import { openDevice } from "${new URL("mod.ts", TENSOR).href}";
    import * as tf from "@tensorflow/tfjs";
    const device = await openDevice("onnx", { threads: 2, numerics: "given" });
    const compiled = await device.compile(({ x }) => ({ y: tf.square(x) }), { x: { shape: [2], dtype: "float32" } });
    const { y } = await compiled.run({ x: Float32Array.of(3, 4) });
    await device.dispose();
    console.log(device.numerics, y.join());`;
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, program);
    const config = new URL("../deno.json", TENSOR).pathname;
    const permissions = ["--no-prompt", "--cached-only", `--allow-ffi=${onnxPackageFolder()}`];
    const { out, err } = await runChild(["run", "--no-check", ...permissions, "--config", config, file]);
    assertEquals(out, "given 9,16", err);
  } finally {
    await Deno.remove(file);
  }
});

interface Dependency {
  readonly isDynamic?: boolean;
  readonly code?: { readonly specifier?: string };
}
