import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { DEVICE_NAMES } from "../../../../science/tensor/devices.ts";
import { describeDevices, IMPLEMENTATIONS } from "../../../../science/tensor/implementations.ts";
import { chooseDevice } from "../../../../science/tensor/implementations.ts";
import { type DeviceName, openDevice } from "../../../../science/tensor/mod.ts";
import { instructionClass } from "../../../../science/tensor/numerics.ts";
import {
  describeOnnx,
  onnxNumerics,
  onnxPackageFolder,
  ONNXRUNTIME_VERSION,
} from "../../../../science/tensor/onnx/describe.ts";
import { skipUnless } from "../../../support/proc.ts";

const TENSOR = new URL("../../../../science/tensor/", import.meta.url);

async function runChild(args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = new Deno.Command(Deno.execPath(), { args, env: { NO_COLOR: "1" }, stdout: "piped", stderr: "piped" });
  const { code, stdout, stderr } = await child.output();
  return { code, out: new TextDecoder().decode(stdout).trim(), err: new TextDecoder().decode(stderr) };
}

Deno.test("onnxNumerics() names the version that is installed", async () => {
  const manifest = JSON.parse(await Deno.readTextFile(`${onnxPackageFolder()}package.json`));
  assertEquals(ONNXRUNTIME_VERSION, manifest.version);
  const version = RegExp.escape(ONNXRUNTIME_VERSION);
  assertMatch(onnxNumerics(1), new RegExp(`^onnx-cpu/${version}/(x86|arm64)[^/]*/1-thread$`));
  assertMatch(onnxNumerics(3), /3-threads$/);
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

Deno.test("describeOnnx() says why a platform has no device", () => {
  const description = describeOnnx(undefined, "darwin-x64");
  assert(!description.available && description.numerics === undefined);
  assertStringIncludes(description.reason, "no CPU library for darwin-x64");
});

Deno.test("openDevice() refuses a device that is not here, with the reason", async () => {
  const absent = (await describeDevices()).find(({ available }) => !available);
  if (skipUnless(absent !== undefined, "every device is available")) return;
  const error = await assertRejects(() => openDevice(absent!.name), Error, `Cannot open device "${absent!.name}": `);
  assertStringIncludes(error.message, absent!.reason);
});

Deno.test("auto is one of the devices that are available", async () => {
  const chosen = await chooseDevice("auto", { threads: 1 });
  const device = await openDevice("auto", { threads: 1 });
  assert(chosen.available);
  assertEquals([device.name, device.numerics], [chosen.name, chosen.numerics]);
  await device.dispose();
});

Deno.test("openDevice() lists the names when it does not know one", async () => {
  const unknown = "abacus" as DeviceName;
  await assertRejects(
    () => openDevice(unknown),
    Error,
    'Cannot open device "abacus": it does not exist. Fix: use one of',
  );
});

Deno.test("describeDevices() lists every device with a reason", async () => {
  const devices = await describeDevices();
  assertEquals<readonly string[]>(devices.map(({ name }) => name), DEVICE_NAMES.slice(1));
  for (const { available, reason, numerics } of devices) {
    assert(reason !== "");
    assertEquals(numerics !== undefined, available, reason);
  }
  const onnx = devices.find(({ name }) => name === "onnx")!;
  assertEquals([onnx.available, onnx.numerics], [true, onnxNumerics()]);
  assertMatch(onnx.reason, /ONNX Runtime on the CPU, \d+ threads?/);
});

Deno.test("science/tensor/mod.ts loads neither TF.js nor an engine until a device is opened", async () => {
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
  // Only SHA-256, which random streams need.
  assertEquals([...loaded].filter((specifier) => /^npm:(?!.@noble.hashes@)/.test(specifier)), []);
  assert(loaded.has(new URL("random/stream.ts", TENSOR).href));
});

// Each in a separate process, as stages are: engines that are never used together may not work in one process.
for (const { name, available, numerics } of await describeDevices()) {
  Deno.test(`device ${name} computes in a process that has no permission but its grants`, async () => {
    if (skipUnless(available, `no device ${name} here`)) return;
    const program = `
      import { openDevice } from "${new URL("mod.ts", TENSOR).href}";
      import * as tf from "@tensorflow/tfjs-core";
      const device = await openDevice("${name}", { threads: 2, numerics: "${numerics}" });
      const compiled = await device.compile(({ x }) => ({ y: tf.square(x) }), { x: { shape: [2], dtype: "float32" } });
      const { y } = await compiled.run({ x: Float32Array.of(3, 4) });
      await device.dispose();
      console.log(device.name, device.numerics, y.join());`;
    const { read = [], ffi = [], env = [] } = await IMPLEMENTATIONS[name].grants();
    const permissions = [
      ...read.map((folder) => `--allow-read=${folder}`),
      ...ffi.map((folder) => `--allow-ffi=${folder}`),
      ...env.map((variable) => `--allow-env=${variable}`),
    ];
    const file = await Deno.makeTempFile({ suffix: ".ts" });
    try {
      await Deno.writeTextFile(file, program);
      const config = new URL("../../deno.json", TENSOR).pathname;
      const flags = ["--no-prompt", "--cached-only", "--no-check", ...permissions, "--config", config];
      const { out, err } = await runChild(["run", ...flags, file]);
      assertEquals(out, `${name} ${numerics} 9,16`, err);
    } finally {
      await Deno.remove(file);
    }
  });
}

interface Dependency {
  readonly isDynamic?: boolean;
  readonly code?: { readonly specifier?: string };
}
