import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import type { DeviceDescription, Grants } from "../../../tensor/devices.ts";
import { hasNvidiaGpu, nvidiaModels } from "../../../tensor/tensorflow/gpus.ts";
import { skipUnless } from "../../support/proc.ts";
import { pretendSetUp, runModule } from "./tensorflow_child.ts";

const REPORT = `
  import { describeTensorflow, tensorflowGrants } from "tensor/tensorflow/describe.ts";
  const about = (gpu) => ({ description: describeTensorflow(gpu), grants: tensorflowGrants(gpu) });
  console.log(JSON.stringify({ cpu: about(false), gpu: about(true) }));`;

type About = { readonly description: DeviceDescription; readonly grants: Grants };

async function reportFor(cache: string): Promise<{ cpu: About; gpu: About }> {
  try {
    const { out, err } = await runModule(REPORT, { env: { XDG_CACHE_HOME: cache } });
    assert(out !== "", err);
    return JSON.parse(out);
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
}

Deno.test("describeTensorflow() says how to set it up where it is not", async () => {
  const { cpu, gpu } = await reportFor(await Deno.makeTempDir());
  const fix = "deno task setup:tensorflow";
  assertEquals<unknown>(cpu.description, { name: "tensorflow", available: false, reason: "not set up", fix });
  const gpuReason = hasNvidiaGpu()
    ? { reason: "not set up", fix: `${fix} --gpu` }
    : { reason: "no NVIDIA GPU is visible" };
  assertEquals<unknown>(gpu.description, { name: "tensorflow-gpu", available: false, ...gpuReason });
  assertEquals([cpu.grants.read, cpu.grants.ffi], [undefined, undefined]);
});

Deno.test("describeTensorflow() finds what is set up in the user's cache", async () => {
  const cache = pretendSetUp(false);
  const { cpu, gpu } = await reportFor(cache);
  assert(cpu.description.available && !gpu.description.available);
  assertMatch(cpu.description.numerics!, /^tensorflow-cpu\/2\.21\.0\/(x86|arm64)[^/]*\/\d+-threads?$/);
  assertEquals(cpu.grants.read, [join(cache, "noiseline", "tensorflow")]);
  assert(cpu.grants.ffi![0]!.startsWith(cpu.grants.read![0]!));
  for (const name of ["XDG_CACHE_HOME", "HOME", "TF_NUM_INTRAOP_THREADS"]) assert(cpu.grants.env!.includes(name));
  assert(!cpu.grants.env!.includes("CUDA_CACHE_PATH"));
});

Deno.test("device tensorflow-gpu is not available without an NVIDIA card", async () => {
  if (skipUnless(!hasNvidiaGpu(), "this machine has an NVIDIA card")) return;
  const { gpu } = await reportFor(pretendSetUp(true));
  assert(!gpu.description.available);
  assertEquals(gpu.description.reason, "no NVIDIA GPU is visible");
  assert(gpu.grants.env!.includes("CUDA_CACHE_PATH"));
});

Deno.test("openTensorflowDevice() says what is wrong with an addon that does not load", async () => {
  const cache = pretendSetUp(false);
  const program = `
    import { openTensorflowDevice } from "tensor/tensorflow/device.ts";
    await openTensorflowDevice({ gpu: false });`;
  const { code, err } = await runModule(program, { env: { XDG_CACHE_HOME: cache } });
  await Deno.remove(cache, { recursive: true });
  assertEquals(code, 1);
  assertStringIncludes(err, "Cannot load TensorFlow from");
  assertStringIncludes(err, "Fix: deno task setup:tensorflow --force");
});

Deno.test("openTensorflowDevice() says how to set it up where it is not", async () => {
  const program = `
    import { openTensorflowDevice } from "tensor/tensorflow/device.ts";
    await openTensorflowDevice({ gpu: true });`;
  const { code, err } = await runModule(program, { env: { XDG_CACHE_HOME: "/nowhere" } });
  assertEquals(code, 1);
  assertStringIncludes(
    err,
    'Cannot open device "tensorflow-gpu": TensorFlow is not set up. Fix: deno task setup:tensorflow --gpu',
  );
});

Deno.test("setTensorflowEnvironment() keeps the user's values but for what decides results", async () => {
  const program = `
    import { setTensorflowEnvironment } from "tensor/tensorflow/environment.ts";
    setTensorflowEnvironment(true, 3);
    const names = ["TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTRAOP_THREADS", "CUDA_CACHE_MAXSIZE"];
    console.log(names.map((name) => Deno.env.get(name)).join());`;
  const env = { TF_CPP_MIN_LOG_LEVEL: "0", TF_ENABLE_ONEDNN_OPTS: "0", TF_NUM_INTRAOP_THREADS: "7" };
  assertEquals((await runModule(program, { env })).out, "0,1,3,4294967296");
});

Deno.test("nvidiaModels() names each model once", async () => {
  const folder = await Deno.makeTempDir();
  try {
    assertEquals(nvidiaModels(folder), "nvidia");
    for (const [card, model] of Object.entries({ a: "NVIDIA H100 80GB HBM3", b: "Tesla T4", c: "Tesla T4" })) {
      await Deno.mkdir(join(folder, card));
      await Deno.writeTextFile(join(folder, card, "information"), `Model: \t\t ${model}\nIRQ:   \t\t 42\n`);
    }
    assertEquals(nvidiaModels(folder), "NVIDIA-H100-80GB-HBM3+Tesla-T4");
    await Deno.writeTextFile(join(folder, "a", "information"), "");
    assertEquals(nvidiaModels(folder), "Tesla-T4+nvidia");
    assertEquals(nvidiaModels(join(folder, "none")), "nvidia");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("hasNvidiaGpu() looks for the driver's numbered nodes", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(folder, "nvidiactl"), "");
    assert(!hasNvidiaGpu(folder));
    await Deno.writeTextFile(join(folder, "nvidia3"), "");
    assert(hasNvidiaGpu(folder));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
